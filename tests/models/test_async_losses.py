import pytest
import torch

from ssiu_arch.models.acceleration import AsyncLosses


class OnTheGPU(torch.Tensor):
    """Values that say they lie on a GPU."""

    is_cuda = True


class Event:
    """A CUDA event that happens when it is waited for."""

    def __init__(self):
        self.recorded = self.happened = False

    def record(self):
        self.recorded = True

    def query(self):
        return self.happened

    def synchronize(self):
        assert self.recorded
        self.happened = True


@pytest.fixture
def pinned(monkeypatch):
    """Notes which tensors were asked for in pinned memory."""
    asked, empty = [], torch.empty
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(
        torch, "empty", lambda *size, pin_memory, **how: asked.append(pin_memory) or empty(*size, **how)
    )
    return asked


def test_it_is_a_mapping_of_numbers():
    losses = AsyncLosses(["l_pix", "l_fft"], torch.tensor([0.5, 2.0]))
    assert losses == {"l_pix": 0.5, "l_fft": 2.0}
    assert [type(value) for value in losses.values()] == [float, float]
    assert {"iter": 1, **losses} == {"iter": 1, "l_pix": 0.5, "l_fft": 2.0}
    with pytest.raises(KeyError, match="l_none"):
        losses["l_none"]


def test_on_the_cpu_it_has_arrived():
    assert AsyncLosses(["l_pix"], torch.tensor([0.5])).arrived()


def test_from_a_gpu_it_arrives_later_or_when_it_is_read(pinned):
    losses = AsyncLosses(["l_pix"], torch.tensor([0.5]).as_subclass(OnTheGPU))
    assert pinned == [True]
    assert not losses.arrived()
    assert losses["l_pix"] == 0.5
    assert losses.arrived()
