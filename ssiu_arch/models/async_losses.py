"""Losses that are copied from the GPU asynchronously, so that logging does not stall training."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor


class AsyncLosses(Mapping[str, float]):
    """The losses of one iteration by log name; each value is a float.

    On CUDA the copy to the host starts at once, behind the kernels that compute the losses.
    Reading a loss waits for the copy; nothing else blocks.

    Args:
        names: log names of the losses.
        values: the losses, shape (names,), on any device.
    """

    def __init__(self, names: Iterable[str], values: Tensor) -> None:
        self._index = {name: n for n, name in enumerate(names)}
        self._values = values
        self._copied: torch.cuda.Event | None = None
        if values.is_cuda:
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record()

    def arrived(self) -> bool:
        """Whether the losses can be read without waiting."""
        return self._copied is None or self._copied.query()

    def __getitem__(self, name: str) -> float:
        index = self._index[name]
        if self._copied is not None:
            self._copied.synchronize()
        return self._values[index].item()

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)
