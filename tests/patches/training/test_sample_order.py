"""Order and augmentation of samples; ``tests/commands/test_resume.py`` kills whole trainings."""

import pickle
import random

import numpy as np
import pytest
import torch
from basicsr import train

from ssiu_arch.patches.training import resume_state
from ssiu_arch.patches.training.sample_order import Place, SeededSamples, random_numbers_of


class Draws(torch.utils.data.Dataset):
    """Samples that are nothing but the random numbers they draw."""

    def __len__(self):
        return 7

    def __getitem__(self, index):
        return torch.tensor([index, random.random(), np.random.random(), torch.rand(1).item()], dtype=torch.float64)


@pytest.fixture
def loader(monkeypatch):
    """The training loader that BasicSR makes for 7 samples in batches of 2: 3 an epoch."""
    monkeypatch.setattr(train, "build_dataset", lambda options: Draws())

    def make(workers=0, start=0, total=8, seed=5):
        resume_state._resumed.clear()
        if start:
            resume_state._resumed.update(iter=start, epoch=0)
        data = {"phase": "train", "batch_size_per_gpu": 2, "num_worker_per_gpu": workers}
        opt = {"datasets": {"train": data}, "train": {"total_iter": total}, "manual_seed": seed}
        opt |= {"world_size": 1, "rank": 0, "num_gpu": 0, "dist": False}
        logger = type("Logger", (), {"info": lambda self, text: None})()
        return train.create_train_val_dataloader(opt, logger)[:2]

    yield make
    resume_state._resumed.clear()


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
    assert resume_state._resumed["epoch"] == 2


def test_random_numbers_of_the_process_stay_as_they_were():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = (random.random(), np.random.random(), torch.rand(1).item())
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    with random_numbers_of(3, 4):
        drawn = random.random()
    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected
    with random_numbers_of(3, 4):
        assert random.random() == drawn


def test_place_and_samples_travel_to_workers():
    place = pickle.loads(pickle.dumps(Place(3, 40)))
    assert (place, place.place) == (3, 40)
    samples = pickle.loads(pickle.dumps(SeededSamples(Draws(), 5)))
    assert torch.equal(samples[Place(3, 40)], SeededSamples(Draws(), 5)[Place(3, 40)])
    assert len(samples) == 7
