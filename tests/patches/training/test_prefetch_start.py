import os

import pytest
import torch
from basicsr.data import build_dataloader
from basicsr.data.data_sampler import EnlargedSampler
from basicsr.data.prefetch_dataloader import CPUPrefetcher


class Samples(torch.utils.data.Dataset):
    """Numbers, and the process that made each."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {"lq": torch.tensor([index, os.getpid()])}


@pytest.mark.parametrize("mode", [None, "cpu"])
@pytest.mark.parametrize("persist", [False, True])
def test_every_epoch_is_whole_and_its_workers_are_those_of_the_option(mode, persist):
    options = {"phase": "train", "batch_size_per_gpu": 1, "num_worker_per_gpu": 2, "prefetch_mode": mode}
    samples = Samples()
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
