"""Order and augmentation of samples; ``tests/cli/test_resume.py`` kills whole trainings."""

import multiprocessing
import pickle
import random
import signal

import numpy as np
import pytest
import torch
from basicsr import train

from ssiu_arch.patches.training import resume_state
from ssiu_arch.patches.training.sample_order import SeededSamples, leave_signals_to_the_parent, random_numbers_of
from ssiu_arch.utils.errors import UserError


class Draws(torch.utils.data.Dataset):
    """Samples that are nothing but the random numbers they draw."""

    def __init__(self, count=7):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.tensor([index, random.random(), np.random.random(), torch.rand(1).item()], dtype=torch.float64)


@pytest.fixture
def loaders(monkeypatch):
    """What BasicSR makes of 7 samples in batches of 2: 3 an epoch."""

    def make_all(workers=0, start=0, total=8, seed=5, images=7, batch=2, ratio=1):
        monkeypatch.setattr(train, "build_dataset", lambda options: Draws(images))
        resume_state.resumed.clear()
        if start:
            resume_state.resumed.update(iter=start, epoch=0)
        data = {"phase": "train", "batch_size_per_gpu": batch, "num_worker_per_gpu": workers}
        data["dataset_enlarge_ratio"] = ratio
        opt = {"datasets": {"train": data}, "train": {"total_iter": total}, "manual_seed": seed}
        opt |= {"world_size": 1, "rank": 0, "num_gpu": 0, "dist": False}
        logger = type("Logger", (), {"info": lambda self, text: None})()
        return train.create_train_val_dataloader(opt, logger)

    yield make_all
    resume_state.resumed.clear()


@pytest.fixture
def loader(loaders):
    """The training loader and its sampler."""
    return lambda **options: loaders(**options)[:2]


def run(loader, sampler, first=0, last=3):
    batches = []
    for epoch in range(first, last):
        sampler.set_epoch(epoch)
        batches += list(loader)
    return torch.stack(batches)


def test_the_run_ends_at_the_iteration_asked_for(loader):
    assert run(*loader(total=8)).shape == (8, 2, 4)


def test_order_is_basicsrs(loader):
    from basicsr.data.data_sampler import EnlargedSampler

    theirs = EnlargedSampler(Draws(), 1, 0)
    theirs.set_epoch(1)
    ours = run(*loader(), first=1, last=2)[..., 0].flatten()
    assert ours.tolist() == list(theirs)[:6]


@pytest.mark.parametrize("start", [1, 2, 3, 4, 7])
def test_a_resumed_run_goes_on_with_the_next_batch(loader, start):
    whole = run(*loader())
    rest = run(*loader(start=start), first=start // 3)
    assert torch.equal(rest, whole[start:])


def test_workers_change_nothing(loader):
    assert torch.equal(run(*loader(workers=2)), run(*loader(workers=0)))


def test_no_two_samples_draw_the_same_numbers(loader):
    drawn = run(*loader(total=9))
    assert len(drawn[..., 1].unique()) == len(drawn[..., 2].unique()) == len(drawn[..., 3].unique()) == 18


def test_another_seed_draws_others(loader):
    assert not torch.equal(run(*loader(seed=5)), run(*loader(seed=6)))


def test_the_epoch_of_the_resumed_state_is_corrected(loader):
    loader(start=7)
    assert resume_state.resumed["epoch"] == 2


def test_random_numbers_of_the_process_stay_as_they_were():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = (random.random(), np.random.random(), torch.rand(1).item())
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    with random_numbers_of(3, 4):
        drawn = random.random()
    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected
    with random_numbers_of(3, 4):
        assert random.random() == drawn


def test_samples_travel_to_workers():
    samples = pickle.loads(pickle.dumps(SeededSamples(Draws(), 5)))
    assert torch.equal(samples[3, 40], SeededSamples(Draws(), 5)[3, 40])
    assert samples.count == len(samples) == 7


def test_a_worker_that_imports_basicsr_anew_is_patched(monkeypatch):
    rooms = []
    monkeypatch.setattr("ssiu_arch.patches.apply", rooms.append)
    pickle.loads(pickle.dumps(SeededSamples(Draws(), 5)))
    assert rooms == ["training"]


@pytest.mark.parametrize(("images", "batch", "total"), [(9, 4, 30), (8, 4, 30), (5, 5, 1), (7, 3, 4), (100, 3, 10)])
def test_the_iterations_asked_for_are_the_iterations_done(loaders, images, batch, total):
    loader, sampler, _, epochs, iterations = loaders(images=images, batch=batch, total=total)
    assert len(run(loader, sampler, last=epochs + 1)) == iterations == total  # train_pipeline runs one more epoch


def test_a_set_smaller_than_a_batch_is_an_error(loaders):
    with pytest.raises(UserError, match=r"datasets.train: 3 images .* batch of 4.*dataset_enlarge_ratio"):
        loaders(images=3, batch=4)
    loader, sampler, _, epochs, _ = loaders(images=3, batch=4, total=10, ratio=2)
    assert len(run(loader, sampler, last=epochs + 1)) == 10


class Batched(Draws):
    """A data set that makes batches by itself."""

    def __getitems__(self, indices):
        return [self[index] for index in indices]


def test_a_data_set_with_getitems_gives_the_same_samples(loader):
    plain, batched = loader()[0].dataset, loader()[0].dataset
    batched.dataset = Batched()
    for dataset in (plain, batched):
        dataset.made = torch.stack(list(torch.utils.data.DataLoader(dataset, 2, sampler=[(0, 0), (3, 1)])))
    assert torch.equal(plain.made, batched.made)


class Handlers(Draws):
    def __getitem__(self, index):
        return torch.tensor([signal.getsignal(signal.SIGINT) == signal.SIG_IGN])


@pytest.mark.parametrize("workers", [0, 1])
def test_only_a_loaders_worker_leaves_signals_to_its_parent(monkeypatch, workers):
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "any program")
    leave_signals_to_the_parent.cache_clear()
    loader = torch.utils.data.DataLoader(SeededSamples(Handlers(), 5), sampler=[(0, 0)], num_workers=workers)
    assert next(iter(loader)).item() == bool(workers)
    assert signal.getsignal(signal.SIGINT) != signal.SIG_IGN
