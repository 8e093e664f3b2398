"""The whole image at once, in operations that ``torch.compile`` and CUDA graphs can take."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ssiu_arch.inference.blocks import Parts, Stage


def whole(parts: Parts, image: Tensor) -> Tensor:
    """The result of ``image``, ``(B, 3, H, W)``, H and W multiples of 16: ``(B, 3, s H, s W)``, float32."""
    pixels = image.permute(0, 2, 3, 1).to(parts.head.weight.dtype)
    f_y = alpha = parts.head(bordered(pixels))
    experts = []
    for t, part in enumerate(parts.stages, 1):
        alpha = stage(part, alpha, f_y)
        if t in parts.experts:
            experts.append(alpha)
    x = parts.tail(parts.select(experts) + f_y)
    return x + F.interpolate(image, scale_factor=parts.upscale, mode="bilinear", align_corners=False)


def stage(part: Stage, alpha: Tensor, f_y: Tensor) -> Tensor:
    """One SSReM: ``alpha`` and ``f_y``, ``(B, H, W, C)``, to the next alpha."""
    a = part.norm(alpha)
    a_bordered = bordered(a)
    u = part.sparsity(a_bordered, plus=a) + f_y
    beta = part.similarity(a_bordered)

    e = attention(part, u)
    refined = part.centralise(bordered(u - beta + e), plus=beta)
    return part.ffn(bordered(refined), plus=refined)


def attention(part: Stage, u: Tensor) -> Tensor:
    """SAM or ESAM of ``u``, ``(B, H, W, C)``."""
    around = [0, 0, 1, 1, 1, 1]  # with zeros
    if part.spread is None:
        return part.attention(F.pad(u, around))
    active = torch.maximum(u[:, 0::2], u[:, 1::2])
    active = torch.maximum(active[:, :, 0::2], active[:, :, 1::2])
    spread = part.spread(bordered(part.attention(F.pad(active, around)))).permute(0, 3, 1, 2)
    return F.interpolate(spread, u.shape[1:3], mode="bilinear", align_corners=True).permute(0, 2, 3, 1)


def bordered(x: Tensor) -> Tensor:
    """``(B, H, W, C)`` with a reflected border of one pixel: ``(B, H + 2, W + 2, C)``."""
    return F.pad(x.permute(0, 3, 1, 2), [1, 1, 1, 1], mode="reflect").permute(0, 2, 3, 1)


class Graphs:
    """Calls ``function(parts, image)`` by a CUDA graph for each size: one launch instead of hundreds.

    A graph replays recorded kernels on fixed memory. So the image is copied to where the recording read its image, and
    the result appears where the recording wrote it. A size is recorded the second time it comes. The eight sizes used
    last are kept. They share one memory pool, as large as the largest of them needs, since they never run together. On
    other devices ``function`` is called directly.
    """

    kept = 8

    def __init__(self, function: Callable[[Any, Tensor], Tensor]) -> None:
        self.function = function
        self._captured: OrderedDict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = OrderedDict()
        self._seen: set[torch.Size] = set()
        self._pool: Any = None  # memory of the graphs; torch reuses it only for captures on the same stream
        self._stream: torch.cuda.Stream | None = None

    def __call__(self, parts: Any, image: Tensor) -> Tensor:
        """The result; copy it before the next call, which may overwrite it whatever its size."""
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

    _on = torch.cuda.device  # streams and captures belong to the current device

    def _capture(self, parts: Any, image: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        into = image.clone()
        current, first = torch.cuda.current_stream(), torch.cuda.Stream()
        first.wait_stream(current)
        with torch.cuda.stream(first):  # first runs set up libraries, which must not be recorded
            for _ in range(2):
                self.function(parts, into)
        current.wait_stream(first)
        if self._pool is None:
            self._pool, self._stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream()
        graph = torch.cuda.CUDAGraph()
        options: Any = {"pool": self._pool, "stream": self._stream, "capture_error_mode": "thread_local"}
        try:
            with torch.cuda.graph(graph, **options):  # other threads may allocate meanwhile
                result = self.function(parts, into)
        except BaseException:
            self._pool = None  # torch may still count it as being recorded to
            torch.cuda.set_stream(current)  # torch does not when it cannot end a capture
            raise
        return graph, into, result
