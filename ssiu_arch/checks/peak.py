"""The most memory that tensors take at once."""

import weakref
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that are made while it is entered, and are alive.

    Unlike what the system says of the process it holds for small tensors too, wherever the process has been before.
    Workspaces inside of an operator are not seen.

    Args:
        known: tensors that are there anyway, which do not count.

    Attributes:
        peak: bytes, the most that there were at once.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self._known = list(known)
        self._alive = {tensor.untyped_storage()._cdata: 0 for tensor in self._known}
        self._now = 0
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in self._alive:
                self._add(tensor)
        return result

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self._alive[storage._cdata] = storage.nbytes()
        weakref.finalize(storage, self._remove, storage._cdata).atexit = False
        self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)

    def _remove(self, storage: int) -> None:
        self._now -= self._alive.pop(storage)
