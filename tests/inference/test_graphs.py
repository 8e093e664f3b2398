from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from ssiu_arch.inference.whole import Graphs
from ssiu_arch.utils.memory import is_out_of_memory


class OnCuda:
    """An image that says it is on a GPU."""

    is_cuda = True
    device = None

    def __init__(self, *shape):
        self.shape = torch.Size(shape)


class Recorded(Graphs):
    """Graphs that are not: what is captured and replayed is noted."""

    _on = staticmethod(nullcontext)

    def __init__(self):
        super().__init__(lambda parts, image: ("run", *image.shape))
        self.notes = []

    def _capture(self, parts, image):
        self.notes.append(("capture", *image.shape))
        graph, into = type("Graph", (), {})(), type("Into", (), {})()
        graph.replay = lambda: self.notes.append(("replay", *image.shape))
        into.copy_ = lambda new: self.notes.append(("copy", *new.shape))
        return graph, into, ("captured", *image.shape)


def test_a_size_is_captured_when_it_comes_again():
    graphs = Recorded()
    results = [graphs(None, OnCuda(side)) for side in (4, 8, 4, 4)]
    assert results == [("run", 4), ("run", 8), ("captured", 4), ("captured", 4)]
    assert graphs.notes == [("capture", 4), *[("copy", 4), ("replay", 4)] * 2]


def test_the_sizes_used_last_are_kept():
    graphs = Recorded()
    for _ in range(2):
        for side in range(10):
            graphs(None, OnCuda(side))
    assert [size[0] for size in graphs._captured] == [2, 3, 4, 5, 6, 7, 8, 9]


def test_on_a_cpu_it_is_the_function():
    graphs = Graphs(lambda parts, image: image + parts)
    for _ in range(3):
        assert torch.equal(graphs(1, torch.zeros(2)), torch.ones(2))


INVALIDATED = "CUDA error: operation failed due to a previous error during capture"


@pytest.fixture
def cuda(monkeypatch):
    """The calls of torch.cuda that a capture makes, without a GPU: its options, and the current stream."""
    made = SimpleNamespace(options=[], current="the caller's", at_the_end=None)

    class Capture:
        def __init__(self, graph, **options):
            made.options.append(options)

        def __enter__(self):
            made.current = "captured"

        def __exit__(self, *error):
            if made.at_the_end:
                raise made.at_the_end  # as torch: its stream stays the current one
            made.current = "the caller's"

    def set_stream(stream):
        made.current = stream

    stream = type("Stream", (), {"wait_stream": lambda self, other: None})
    fakes = {"graph": Capture, "set_stream": set_stream, "graph_pool_handle": object, "Stream": stream}
    fakes |= {"current_stream": lambda: SimpleNamespace(wait_stream=lambda other: None, name="the caller's")}
    fakes |= {"stream": nullcontext, "CUDAGraph": lambda: SimpleNamespace(replay=lambda: None), "device": nullcontext}
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(Graphs, "_on", staticmethod(nullcontext))
    return made


class Copyable(OnCuda):
    def clone(self):
        return SimpleNamespace(shape=self.shape, copy_=lambda image: None)


def test_captures_bear_other_threads_and_share_a_pool_and_a_stream(cuda):
    graphs = Graphs(lambda parts, image: image)
    for _ in range(2):
        for side in range(3):
            graphs(None, Copyable(side))
    assert [options["capture_error_mode"] for options in cuda.options] == ["thread_local"] * 3
    for name in ("pool", "stream"):
        assert len({id(options[name]) for options in cuda.options}) == 1
        assert cuda.options[0][name] is not None
    Graphs(lambda parts, image: image)._capture(None, Copyable(1))
    assert cuda.options[3]["pool"] is not cuda.options[0]["pool"]


@pytest.mark.parametrize("at_the_end", [None, torch.AcceleratorError(INVALIDATED)])
def test_out_of_memory_in_a_capture_is_known_and_leaves_nothing_behind(cuda, at_the_end):
    def runs_out(parts, image):
        if cuda.current == "captured" and parts:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return image

    graphs = Graphs(runs_out)
    graphs(True, Copyable(4))
    cuda.at_the_end = at_the_end
    with pytest.raises(RuntimeError) as caught:
        graphs(True, Copyable(4))
    assert is_out_of_memory(caught.value)
    assert getattr(cuda.current, "name", cuda.current) == "the caller's"
    cuda.at_the_end = None
    graphs(False, Copyable(4))
    assert cuda.options[1]["pool"] is not cuda.options[0]["pool"]  # torch may not capture to the first again
