"""Losses that stay where they are computed until somebody reads them."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor


class LateLosses(Mapping[str, float]):
    """The losses of an iteration, by the names they are logged under, each a number from the moment it is read.

    On CUDA a copy of them is on its way from the start, behind the iteration that computes them. Who reads waits for
    it; who does not read does not wait.

    Args:
        names: of the losses.
        values: the losses, (names,), on any device.
    """

    def __init__(self, names: Iterable[str], values: Tensor) -> None:
        self._places = {name: at for at, name in enumerate(names)}
        self._values = values
        self._copied: torch.cuda.Event | None = None
        if values.is_cuda:
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record()

    def arrived(self) -> bool:
        """Whether the numbers can be read without waiting."""
        return self._copied is None or self._copied.query()

    def __getitem__(self, name: str) -> float:
        at = self._places[name]
        if self._copied is not None:
            self._copied.synchronize()
        return self._values[at].item()

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
