import threading

import pytest
import torch
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
