"""The rows of a feature map that are at hand, while they are computed from top to bottom."""

from copy import copy

from torch import Tensor


class Rows:
    """Some of the rows of a map of ``height`` by ``width`` pixels: those computed and not yet released.

    The map is stored pixel by pixel, ``(1, rows, width, C)``, with a border of one pixel on every side where ``border``
    is 1: a convolution with reflect padding then reads rows and columns as they lie. The rows are numbered from the
    top of the map, those of the border are -1 and ``height``.

    Args:
        height, width: of the map, without its border.
        like: a tensor whose last axis, dtype and device the rows take.
        border: 0 or 1.
        room: rows to make room for at first; there is more as it is needed.
    """

    def __init__(self, height: int, width: int, like: Tensor, *, border: int, room: int) -> None:
        self.height, self.width, self.border = height, width, border
        self.first = -border  # row that lies first in the storage
        self.end = 0  # row after the last one computed
        self.live = -border  # first row that is still read
        self.storage = like.new_empty((1, min(room, height) + 2 * border, width + 2 * border, like.shape[-1]))

    def restart(self) -> "Rows":
        """Another map of this size, in the same storage."""
        rows = copy(self)
        rows.first = rows.live = -self.border
        rows.end = 0
        return rows

    def __getitem__(self, rows: slice) -> Tensor:
        """Rows ``start`` to ``stop``, which may reach into the border: a view, ``(1, R, width + 2 border, C)``."""
        return self.storage[:, rows.start - self.first : rows.stop - self.first]

    def next(self, count: int) -> Tensor:
        """The storage of the ``count`` rows after the last: to be written, then to be confirmed by ``add``."""
        self._make_room(self.end + count + self.border)
        return self[self.end : self.end + count]

    def add(self, count: int) -> None:
        """Take the next ``count`` rows as written, but for their border, which is filled here."""
        lo, hi = self.end, self.end + count
        self.end = hi
        if self.border:
            reflect_columns(self[lo:hi])
            if lo <= 1 < hi:
                self[-1:0].copy_(self[1:2])
            if hi == self.height:
                self[hi : hi + 1].copy_(self[hi - 2 : hi - 1])

    def append(self, rows: Tensor) -> None:
        """Add ``rows``, ``(1, R, width + 2 border, C)``; what stands in their border columns does not matter."""
        self.next(rows.shape[1]).copy_(rows)
        self.add(rows.shape[1])

    def release(self, before: int) -> None:
        """Nothing above row ``before`` is read any more."""
        self.live = max(before, self.live)

    def _make_room(self, stop: int) -> None:
        """Let the storage reach to row ``stop``: move the rows in use up, into a larger one if need be."""
        if stop - self.first <= self.storage.shape[1]:
            return
        used = self[self.live : self.end]
        if stop - self.live > self.storage.shape[1]:
            size = max(stop - self.live, self.storage.shape[1] * 3 // 2)
            self.storage = used.new_empty((1, size, *used.shape[2:]))
        elif self.live - self.first < used.shape[1]:  # it would be moved onto itself
            used = used.clone()
        self.storage[:, : used.shape[1]].copy_(used)
        self.first = self.live


def reflect_columns(rows: Tensor) -> None:
    """Fill the first and the last column of ``rows``, ``(1, R, W + 2, C)``, by those that they mirror, in place."""
    rows[:, :, 0].copy_(rows[:, :, 2])
    rows[:, :, -1].copy_(rows[:, :, -3])
