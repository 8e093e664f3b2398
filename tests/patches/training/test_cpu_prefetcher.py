import os
import threading

import pytest
import torch
from basicsr.data import build_dataloader
from basicsr.data.data_sampler import EnlargedSampler
from basicsr.data.prefetch_dataloader import CPUPrefetcher, PrefetchDataLoader


class Samples(torch.utils.data.Dataset):
    def __init__(self, bad):
        self.bad = bad

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == self.bad:
            raise ValueError("image 2 is damaged")
        return {"lq": torch.tensor(index)}


def within(seconds, function):
    """What a function returns or raises, unless it takes longer."""
    done = []

    def call():
        try:
            done.append(function())
        except Exception as error:
            done.append(error)

    threading.Thread(target=call, daemon=True).start()
    end = threading.Event()
    for _ in range(int(seconds * 50)):
        if done:
            return done[0]
        end.wait(0.02)
    raise TimeoutError(f"nothing came in {seconds} s")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_exception_comes_out_where_the_batch_is_asked_for(workers):
    options = {"num_workers": workers, "multiprocessing_context": "fork" if workers else None}
    prefetcher = CPUPrefetcher(PrefetchDataLoader(1, dataset=Samples(bad=2), batch_size=1, **options))
    assert [within(20, prefetcher.next)["lq"].item() for _ in range(2)] == [0, 1]
    error = within(20, prefetcher.next)
    assert isinstance(error, ValueError)
    assert "image 2 is damaged" in str(error)


def test_whole_sets_end_as_before():
    prefetcher = CPUPrefetcher(PrefetchDataLoader(1, dataset=Samples(bad=None), batch_size=2))
    assert [within(20, prefetcher.next) is None for _ in range(3)] == [False, False, True]


class Origins(torch.utils.data.Dataset):
    """Numbers, and the process that made each."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {"lq": torch.tensor([index, os.getpid()])}


@pytest.mark.parametrize("mode", [None, "cpu"])
@pytest.mark.parametrize("persist", [False, True])
def test_every_epoch_is_whole_and_its_workers_are_those_of_the_option(mode, persist):
    options = {"phase": "train", "batch_size_per_gpu": 1, "num_worker_per_gpu": 2, "prefetch_mode": mode}
    samples = Origins()
    sampler = EnlargedSampler(samples, 1, 0, 1)
    loader = build_dataloader(samples, {**options, "persistent_workers": persist}, num_gpu=0, sampler=sampler, seed=0)
    loader.multiprocessing_context = "fork"
    prefetcher, workers = CPUPrefetcher(loader), set()
    for epoch in range(3):
        sampler.set_epoch(epoch)
        prefetcher.reset()
        batches = [batch["lq"][0].tolist() for batch in iter(prefetcher.next, None)]
        assert sorted(index for index, _ in batches) == list(range(8))
        workers |= {worker for _, worker in batches}
    assert len(workers) == (2 if persist else 6)


def test_the_loader_is_gone_through_once():
    class Loader(list):
        starts = 0

        def __iter__(self):
            self.starts += 1
            return super().__iter__()

    loader = Loader([1, 2])
    prefetcher = CPUPrefetcher(loader)
    prefetcher.reset()
    assert [prefetcher.next() for _ in range(3)] == [1, 2, None]
    assert loader.starts == 1


def test_without_a_reset_it_begins_at_the_first_batch():
    assert CPUPrefetcher([1, 2]).next() == 1


class Threads(torch.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return threading.get_ident()


def test_without_workers_no_thread_shares_the_random_generators():
    loader = PrefetchDataLoader(1, dataset=Threads(), batch_size=1)
    assert [made.item() for made in loader] == [threading.get_ident()] * 2
