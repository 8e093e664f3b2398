"""``CUDAPrefetcher`` with fakes in the place of CUDA: what it says of its tensors, and to whom."""

import contextlib

import pytest
import torch
from basicsr.data.prefetch_dataloader import CUDAPrefetcher


class OnTheGPU(torch.Tensor):
    """A tensor that says it lies on a GPU, and notes the streams that it is told of."""

    is_cuda = True
    streams = ()

    def to(self, *args, **options):
        return self

    def record_stream(self, stream):
        self.streams += (stream,)


@pytest.fixture
def prefetcher(monkeypatch):
    class Stream:
        def wait_stream(self, other):
            pass

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    current = Stream()
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: current)

    def build(*batches):
        made = CUDAPrefetcher(list(batches), {"num_gpu": 1})
        made.current = current
        return made

    return build


def test_a_batch_belongs_to_the_stream_that_reads_it(prefetcher):
    first, second = (torch.rand(2).as_subclass(OnTheGPU) for _ in range(2))
    fetch = prefetcher({"lq": first, "lq_path": ["a.png"]}, {"lq": second})
    assert fetch.next()["lq"] is first
    assert first.streams == (fetch.current,)
    assert second.streams == ()  # it is being copied: the stream of the copies has it
    assert fetch.next()["lq"] is second
    assert second.streams == (fetch.current,)


def test_tensors_that_stay_with_the_cpu_belong_to_no_stream(prefetcher, monkeypatch):
    on_cpu = torch.rand(2).as_subclass(OnTheGPU)
    on_cpu.is_cuda = False
    prefetcher({"lq": on_cpu}).next()
    assert on_cpu.streams == ()


def test_the_end_is_still_none(prefetcher):
    assert prefetcher().next() is None
