"""Which samples a training sees, and when: exact after a resume, and as many iterations as ``total_iter`` asks for.

In BasicSR a resumed run starts over with the first samples, workers repeat their random numbers every epoch, and the
number of epochs counts samples although training drops incomplete batches. Here

- the sampler yields only the samples from the resumed iteration to the last one;
- the augmentation of a sample depends only on its position in the whole run's order of samples::

      epoch      0         1         2
      samples    7 2 5 1 | 3 0 4 6 | ...      BasicSR's shuffle, seeded by the epoch
      position   0 1 2 3   4 5 6 7   8 ...    seeds the random numbers of the sample

  so neither the number of workers nor an interruption changes what the network sees.
"""

import functools
import math
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ssiu_arch.patches.patch import Function, replaces
from ssiu_arch.patches.training.resume_state import resumed
from ssiu_arch.utils.errors import UserError

GRACE = 30  # seconds that a worker outlives SIGTERM


class SeededSamples:
    """A data set whose samples draw from random generators of their own; the process's generators stay untouched.

    It is indexed by (index in the data set, position in the run's order of samples).
    """

    __getitems__ = None  # else torch would ask the data set for a whole batch, which would not be seeded

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name == "dataset":  # not there yet while a worker unpickles
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpickle in a spawned worker, which has imported BasicSR anew: patch how it reads images, too."""
        from ssiu_arch import patches

        self.__dict__.update(state)
        patches.apply("training")

    def __getitem__(self, place: tuple[int, int]) -> Any:
        from torch.utils.data import get_worker_info

        if get_worker_info() is not None:  # a loader's worker, not any child of another program
            leave_signals_to_the_parent()
        index, position = place
        with random_numbers_of(self.seed, position):
            return self.dataset[index]


@functools.cache  # once a process, not once a sample
def leave_signals_to_the_parent() -> None:
    """Ignore, in a loader's worker, the signals by which the training process is asked to save a state and stop.

    Ctrl-C and clusters send them to the whole process group. A parent that ends also sends SIGTERM to its workers:
    they follow ``GRACE`` seconds later.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):  # not on Windows
        signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(GRACE))


@contextmanager
def random_numbers_of(seed: int, position: int) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's CPU generators for one sample; restore them afterwards."""
    import numpy as np
    import torch

    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    number = int(np.random.SeedSequence([seed, position]).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)
    torch.default_generator.manual_seed(number)  # torch.manual_seed would seed CUDA's generators too
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)


@replaces(
    "basicsr.train:create_train_val_dataloader",
    upstream="basicsr/train.py:45 and 158, data/data_sampler.py:29, data/__init__.py:72 and 97",
    is_needed=lambda create: "num_iter_per_epoch = math.ceil(" in create or "resume" not in create,
)
def sample_order(upstream: Function) -> list[Function]:
    """A resumed run sees the first samples again; workers repeat their augmentations every epoch; a run ends before
    total_iter if the last batch of an epoch is incomplete.
    """

    from basicsr import train
    from basicsr.data.data_sampler import EnlargedSampler

    class Sampler(EnlargedSampler):
        """BasicSR's order of samples, from iteration ``start`` to iteration ``total`` of the run."""

        batch, per_epoch, start, total = 1, 0, 0, 0  # samples; iterations

        def __iter__(self) -> Iterator[tuple[int, int]]:
            before = self.epoch * self.per_epoch  # iterations of earlier epochs
            first = max(self.start - before, 0) * self.batch
            last = min(self.total - before, self.per_epoch) * self.batch
            for n, index in enumerate(super().__iter__()):
                if first <= n < last:
                    yield index, (self.epoch * self.num_samples + n) * self.num_replicas + self.rank

    def create_train_val_dataloader(opt: dict[str, Any], logger: Any) -> tuple:
        """BasicSR's loaders; training starts at the resumed iteration and ends at ``total_iter``."""
        build_dataset = train.build_dataset

        def seeded(options: dict[str, Any]) -> Any:
            dataset = build_dataset(options)
            return SeededSamples(dataset, opt["manual_seed"]) if options["phase"] == "train" else dataset

        train.EnlargedSampler, train.build_dataset = Sampler, seeded
        try:
            loader, sampler, validation, _, total = upstream(opt, logger)
        finally:
            train.EnlargedSampler, train.build_dataset = EnlargedSampler, build_dataset
        if len(loader) == 0:
            batch = loader.batch_size * opt["world_size"]
            raise UserError(
                f"datasets.train: {len(loader.dataset)} images are fewer than a batch of {batch}: raise "
                "dataset_enlarge_ratio or lower batch_size_per_gpu"
            )
        sampler.batch, sampler.per_epoch = loader.batch_size, len(loader)
        sampler.start, sampler.total = resumed.get("iter", 0), total
        if resumed:  # with another batch size, the same iteration is in another epoch
            resumed["epoch"] = sampler.start // sampler.per_epoch
        return loader, sampler, validation, math.ceil(total / len(loader)) - 1, total  # BasicSR runs one more epoch

    return [create_train_val_dataloader]
