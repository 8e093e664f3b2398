"""CUDA graphs of the sizes that come again."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Graphs:
    """Calls ``function(parts, image)`` by a CUDA graph for each size: one launch instead of hundreds.

    A size is captured the second time it comes; of the sizes captured, the last eight are kept, for each holds memory
    of its own. On other devices ``function`` is called as it is.
    """

    kept = 8

    def __init__(self, function: Callable[[Any, Tensor], Tensor]) -> None:
        self.function = function
        self._captured: OrderedDict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = OrderedDict()
        self._seen: set[torch.Size] = set()

    def __call__(self, parts: Any, image: Tensor) -> Tensor:
        """The result; valid until the next call of this size."""
        size = image.shape
        if not image.is_cuda or size not in self._seen:
            self._seen.add(size)
            return self.function(parts, image)
        if size not in self._captured:
            with self._on(image.device):
                self._captured[size] = self._capture(parts, image)
        self._captured.move_to_end(size)
        while len(self._captured) > self.kept:
            self._captured.popitem(last=False)
        graph, into, result = self._captured[size]
        into.copy_(image)
        graph.replay()
        return result

    _on = torch.cuda.device  # a stream and a capture are those of the current device

    def _capture(self, parts: Any, image: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        into = image.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # what a first run sets up must not be in the graph
            for _ in range(2):
                self.function(parts, into)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = self.function(parts, into)
        return graph, into, result
