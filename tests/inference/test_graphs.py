from contextlib import nullcontext

import torch

from ssiu_arch.inference.whole import Graphs


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
