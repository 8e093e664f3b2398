"""A resumed run trains on the samples after the start again, and workers repeat their random numbers every epoch.

Here the order of samples is a function of the iteration alone, and a sample's augmentation one of its place in that
order: whichever worker prepares it, and whether the run was interrupted before or not.
"""

import functools
import multiprocessing
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours, replace_everywhere
from ssiu_arch.patches.training import resume_state

GRACE = 30  # seconds


class Place(int):
    """The index of a sample that knows its place in the run's order of samples, also in another process."""

    place: int

    def __new__(cls, index: int, place: int) -> "Place":
        self = super().__new__(cls, index)
        self.place = place
        return self

    def __reduce__(self) -> tuple[type, tuple[int, int]]:
        return Place, (int(self), self.place)


class SeededSamples:
    """A data set whose samples have random numbers of their own; those of the process stay as they were."""

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name == "dataset":  # not there yet while a worker unpickles
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __getitem__(self, index: int) -> Any:
        if multiprocessing.parent_process() is not None and threading.current_thread() is threading.main_thread():
            leave_signals_to_the_parent()
        with random_numbers_of(self.seed, getattr(index, "place", int(index))):
            return self.dataset[int(index)]


@functools.cache  # once a process, not once a sample
def leave_signals_to_the_parent() -> None:
    """Outlive, in a loader's worker, the signals that reach a whole group of processes but are for the one that trains.

    SIGTERM is also how a parent that ends gets rid of its workers, so that they go ``GRACE`` seconds after it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):  # not on Windows
        signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(GRACE))


@contextmanager
def random_numbers_of(seed: int, place: int) -> Iterator[None]:
    """Give Python's, NumPy's and torch's generators the numbers of one place, and put them back afterwards."""
    import numpy as np
    import torch

    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    number = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)
    torch.default_generator.manual_seed(number)  # torch.manual_seed would set CUDA's generators too
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)


def _is_needed() -> bool:
    from basicsr import train

    return not is_ours(train.create_train_val_dataloader)


def _apply() -> None:
    from basicsr import train
    from basicsr.data.data_sampler import EnlargedSampler

    upstream = train.create_train_val_dataloader

    class Sampler(EnlargedSampler):
        """BasicSR's order of samples, from one iteration of the run to another."""

        batch, per_epoch, start, total = 1, 0, 0, 0  # samples; iterations

        def __iter__(self) -> Iterator[int]:
            before = self.epoch * self.per_epoch
            first = max(self.start - before, 0) * self.batch
            last = min(self.total - before, self.per_epoch) * self.batch
            for n, index in enumerate(super().__iter__()):
                if first <= n < last:
                    yield Place(index, (self.epoch * self.num_samples + n) * self.num_replicas + self.rank)

    def create_train_val_dataloader(opt: dict[str, Any], logger: Any) -> tuple:
        """BasicSR's loaders; the training's goes on at the iteration that is resumed and ends at ``total_iter``."""
        build_dataset = train.build_dataset

        def seeded(options: dict[str, Any]) -> Any:
            dataset = build_dataset(options)
            return SeededSamples(dataset, opt["manual_seed"]) if options["phase"] == "train" else dataset

        train.EnlargedSampler, train.build_dataset = Sampler, seeded
        try:
            loader, sampler, *rest = upstream(opt, logger)
        finally:
            train.EnlargedSampler, train.build_dataset = EnlargedSampler, build_dataset
        sampler.batch, sampler.per_epoch = loader.batch_size, len(loader)
        sampler.start, sampler.total = resume_state.resumed_iteration(), rest[-1]
        resume_state.resume_in_epoch(sampler.start // max(sampler.per_epoch, 1))
        return loader, sampler, *rest

    replace_everywhere(upstream, create_train_val_dataloader)


REPAIR = Repair(
    defect="a resumed run sees the first samples again; workers augment every epoch with the same random numbers",
    upstream="basicsr/data/data_sampler.py:29, train.py:158, data/__init__.py:97",
    until="BasicSR's sampler knows the iteration",
    is_needed=_is_needed,
    apply=_apply,
)
