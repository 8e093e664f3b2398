"""One stage, strip by strip: what stays in the cache is not written out, and no map has to exist as a whole.

The steps of a stage read beyond the rows they compute. Each goes as far as the rows it reads are known, so a stage can
follow the one before it at some distance. Rows known of each map while a strip advances from top to bottom::

    alpha, f_y    ##################################          input of the stage
    d, beta       #################################           mix: 3x3, reads 1 row beyond
    active        ################                            half as high (ESAM); whole windows of 8 rows only
    attended      ################                            attend: reads 1 row of the next windows
    wide          ###############                             spread: 3x3, reads 1 row beyond; columns doubled
    out           ############################                refine: rows doubled, two 3x3, reads 2 rows beyond

Rows that no later step reads are released, so each map keeps some dozens of rows, whatever the image's height.
"""

from collections.abc import Iterator
from copy import copy
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ssiu_arch.inference.blocks import Stage


class Rows:
    """The rows of a feature map that have been computed and not yet released: a window that moves down the map.

    ::

        row of the map    -1   0   1  ...            live    ...    end    ...    height
                          border                     |  still read  |  next()     border
        storage                first row stored: first ...................... more room when needed

    Stored is ``(1, rows, width + 2, C)``: every side has a border of one pixel, so a convolution or an attention reads
    a plain slice. Row numbers are those of the map; the border rows are -1 and ``height``.

    Args:
        height, width: of the map, without its border.
        like: a tensor with the C, dtype and device of the rows.
        room: rows to allocate at first; more follow when needed.
        mirrored: whether the border mirrors the map, like reflect padding, or is zero.
    """

    def __init__(self, height: int, width: int, like: Tensor, *, room: int, mirrored: bool = True) -> None:
        self.height, self.width, self.mirrored = height, width, mirrored
        self.first = -1  # row that comes first in the storage
        self.end = 0  # row after the last one computed
        self.live = -1  # first row that is still read
        self.storage = like.new_empty((1, min(room, height) + 2, width + 2, like.shape[-1]))

    def restart(self) -> "Rows":
        """Another map of this size in the same storage, which is overwritten."""
        rows = copy(self)
        rows.first = rows.live = -1
        rows.end = 0
        return rows

    def __getitem__(self, rows: slice) -> Tensor:
        """Rows ``start`` to ``stop``, which may reach into the border: a view, ``(1, R, width + 2, C)``."""
        return self.storage[:, rows.start - self.first : rows.stop - self.first]

    def next(self, count: int) -> Tensor:
        """The storage of the next ``count`` rows: write them, but not their border, then call ``add``."""
        self._make_room(self.end + count + 1)
        return self[self.end : self.end + count]

    def add(self, count: int) -> None:
        """Count the next ``count`` rows as computed, and fill their border."""
        lo, hi = self.end, self.end + count
        self.end = hi
        if self.mirrored:
            mirror_columns(self[lo:hi])
            if lo <= 1 < hi:  # row 0 may come without row 1
                self[-1:0].copy_(self[1:2])
            if hi == self.height:
                self[hi : hi + 1].copy_(self[hi - 2 : hi - 1])
        else:
            self[lo:hi][:, :, :: self.width + 1] = 0  # first and last column
            if lo == 0:
                self[-1:0].zero_()
            if hi == self.height:
                self[hi : hi + 1].zero_()

    def append(self, rows: Tensor) -> None:
        """Add ``rows``, ``(1, R, width + 2, C)``, whose border columns are ignored."""
        self.next(rows.shape[1]).copy_(rows)
        self.add(rows.shape[1])

    def release(self, before: int) -> None:
        """Declare that rows above ``before`` are not read again."""
        self.live = max(before, self.live)

    def _make_room(self, stop: int) -> None:
        """Let the storage reach to row ``stop``: move the rows in use to its start, enlarging it if needed."""
        if stop - self.first <= self.storage.shape[1]:
            return
        used = self[self.live : self.end]
        if stop - self.live > self.storage.shape[1]:
            size = max(stop - self.live, self.storage.shape[1] * 3 // 2)
            self.storage = used.new_empty((1, size, *used.shape[2:]))
        elif self.live - self.first < used.shape[1]:  # source and destination overlap
            used = used.clone()
        self.storage[:, : used.shape[1]].copy_(used)
        self.first = self.live


def mirror_columns(rows: Tensor) -> None:
    """Fill the border columns of ``rows``, ``(1, R, W + 2, C)``, by mirroring, in place."""
    rows[:, :, 0].copy_(rows[:, :, 2])
    rows[:, :, -1].copy_(rows[:, :, -3])


class Maps(NamedTuple):
    """The maps between the steps of a stage; ``(h, w)`` is ``(H, W)``, or with ESAM half of that."""

    difference: Rows  # d = u - beta, (H, W)
    beta: Rows  # (H, W)
    active: Rows  # input of the attention, (h, w), with a border of zeros
    attended: Rows  # SAM(active), (h, w)
    wide: Rows  # e before its rows are doubled, (h, W); not with SAM


class StageByStrips:
    """Computes ``out``, alpha after a stage, from ``alpha`` and ``f_y``, at most ``strip`` rows at a time.

    The stage in four steps, with symbols of ``SSReM``::

        mix      a = LN(alpha), z = MSGM1(a), beta = MSGM2(a), u = a + z + f_y
                 d = u - beta, active = maxpool2(u)
        attend   attended = SAM(active)
        spread   wide = DW(attended), columns doubled
        refine   e = wide, rows doubled
                 alpha~ = MSGM3(d + e) + beta, out = MSGM4(alpha~) + alpha~

    ESAM's upsampling is bilinear and separable; it is done for columns where a row is at hand, and for rows by a
    small matrix (``up2_rows``). With SAM instead of ESAM, ``active`` is u, and e is ``attended``.
    """

    def __init__(self, stage: Stage, alpha: Rows, f_y: Rows, out: Rows, maps: Maps, strip: int) -> None:
        self.stage, self.alpha, self.f_y, self.out, self.maps, self.strip = stage, alpha, f_y, out, maps, strip
        self.pooling = stage.pooling

    def advance(self, rows: int) -> None:
        """Mix at most ``rows`` more rows of ``alpha``, an even number, and do every step that these allow.

        Each step asks what the step before it knows, less what it reads beyond; and releases what it has read. Say 64
        rows of alpha are known, of a taller map, with ESAM::

            mix      rows  0 ... 61   reads alpha to row 62; 62 of 63, since pixels are pooled by pairs
            attend   rows  0 ... 23   of 31 pooled ones; the windows' next row has to be known too: 24 of 30
            spread   rows  0 ... 22   of the pooled map
            refine   rows  0 ... 41   2 * (23 - 2)

        So a stage ends some 25 rows above the one before it. Once a map is complete, its border row is the row beyond.
        """
        difference, beta, active, attended, wide = self.maps
        window = self.stage.attention.window

        known = min(_known(self.alpha, but=1), difference.end + rows) // self.pooling * self.pooling
        for lo, hi in strips(difference.end, known, self.strip):
            self._mix(lo, hi)

        known = _known(active, but=1) // window * window
        for lo, hi in strips(attended.end, known, self.strip // self.pooling):
            self._attend(lo, hi)
        active.release(attended.end - 1)

        if self.pooling == 2:
            for lo, hi in strips(wide.end, _known(attended, but=1), self.strip):
                self._spread(lo, hi)
            attended.release(wide.end - 1)
        # out[y] reads alpha~[y-1 ... y+1], which reads d and e [y-2 ... y+2]: 2 rows beyond. With ESAM row y of e lies
        # just above y / 2, between rows y / 2 - 1 and y / 2 + 1 of ``wide`` at most.
        e = wide if self.pooling == 2 else attended
        for lo, hi in strips(self.out.end, self.pooling * _known(e, but=2), self.strip):
            self._refine(lo, hi)
        difference.release(self.out.end - 2)
        beta.release(self.out.end - 1)
        e.release((self.out.end - 2) // self.pooling - (self.pooling - 1))

    @property
    def reads_from(self) -> int:
        """The first row of ``alpha`` that this stage has yet to read."""
        return self.maps.difference.end - 1

    def _mix(self, lo: int, hi: int) -> None:
        difference, beta, active, *_ = self.maps
        a = self.stage.norm(self.alpha[lo - 1 : hi + 1])
        u = self.stage.sparsity(a, plus=a[:, 1:-1], keep_width=True).add_(self.f_y[lo:hi])
        beta.append(self.stage.similarity(a, keep_width=True))
        torch.sub(u, beta[lo:hi], out=difference.next(hi - lo))
        difference.add(hi - lo)

        if self.pooling == 2:
            pairs = torch.maximum(u[:, 0::2], u[:, 1::2])
            torch.maximum(pairs[:, :, 1:-1:2], pairs[:, :, 2::2], out=active.next((hi - lo) // 2)[:, :, 1:-1])
            active.add((hi - lo) // 2)
        else:
            active.append(u)

    def _attend(self, lo: int, hi: int) -> None:
        active, attended = self.maps.active, self.maps.attended
        attended.next(hi - lo)[:, :, 1:-1] = self.stage.attention(active[lo - 1 : hi + 1])
        attended.add(hi - lo)

    def _spread(self, lo: int, hi: int) -> None:
        attended, wide = self.maps.attended, self.maps.wide
        spread = self.stage.spread(attended[lo - 1 : hi + 1]).permute(0, 3, 1, 2)
        doubled = F.interpolate(spread, (hi - lo, wide.width), mode="bilinear", align_corners=True)
        wide.next(hi - lo)[:, :, 1:-1] = doubled.permute(0, 2, 3, 1)
        wide.add(hi - lo)

    def _refine(self, lo: int, hi: int) -> None:
        start, stop = max(lo - 1, 0), min(hi + 1, self.out.height)  # rows of alpha~
        v, beta = self._v(start - 1, stop + 1), self.maps.beta[start:stop]
        refined = self.stage.centralise(v, plus=beta, keep_width=True)
        mirror_columns(refined)
        if start == lo:  # the border row above the map
            refined = torch.cat([refined[:, 1:2], refined], dim=1)
        if stop == hi:
            refined = torch.cat([refined, refined[:, -2:-1]], dim=1)
        self.out.append(self.stage.ffn(refined, plus=refined[:, 1:-1], keep_width=True))

    def _v(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop`` of d + e, border rows included."""
        difference, _, _, attended, wide = self.maps
        d = difference[start:stop]
        if self.pooling == 1:
            return d + attended[start:stop]
        v = torch.empty_like(d)
        # The larger a matrix, the more of it is zero. The smaller, the more launches, which a GPU minds.
        for lo, hi in strips(start, stop, 64 if d.is_cuda else 8):
            matrix, rows = up2_rows(lo, hi, difference.height, d.dtype, d.device)
            part = slice(lo - start, hi - start)
            torch.addmm(d[0, part].flatten(1), matrix, wide[rows][0].flatten(1), out=v[0, part].flatten(1))
        return v


def strips(start: int, stop: int, height: int) -> Iterator[tuple[int, int]]:
    """Strips of at most ``height`` rows from ``start`` to ``stop``: first row and end of each."""
    for lo in range(start, stop, height):
        yield lo, min(lo + height, stop)


@lru_cache(maxsize=1024)  # every stage needs the same; so a GPU gets each one once
def up2_rows(lo: int, hi: int, height: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, slice]:
    """Rows ``lo`` to ``hi`` of a map doubled to ``height`` rows, as a matrix: ``doubled = matrix @ map[rows]``.

    Row y lies at ``y (height / 2 - 1) / (height - 1)``, rounded in float32 as by ``F.interpolate`` with
    ``align_corners=True``; the border rows lie where the rows lie that they mirror. For ``height`` 16::

        row of the map            0          1          2
        rows of the doubled map   0    1     2    3     4        at 0, 7/15, 14/15, 21/15, 28/15
    """
    y = torch.arange(lo, hi, device="cpu").abs()
    y = torch.minimum(y, 2 * (height - 1) - y)  # mirrored
    source = y * (torch.tensor(height // 2 - 1, dtype=torch.float32, device="cpu") / (height - 1))
    matrix, rows = between_rows(source, height // 2)
    return matrix.to(device, dtype), rows


def between_rows(source: Tensor, height: int) -> tuple[Tensor, slice]:
    """Linear interpolation at the rows ``source`` of a map of ``height`` rows: ``result = matrix @ map[rows]``.

    Each line of the matrix has two entries, which add up to 1: the shares of the rows above and below the position.
    """
    upper = source.floor().long().clamp(0, height - 2)
    share = (source - upper).clamp(0, 1)
    first, stop = int(upper.min()), int(upper.max()) + 2
    matrix = torch.zeros(len(source), stop - first, dtype=torch.float32, device="cpu")
    matrix.scatter_(1, (upper - first)[:, None], (1 - share)[:, None])
    matrix.scatter_(1, (upper - first + 1)[:, None], share[:, None])
    return matrix, slice(first, stop)


def _known(rows: Rows, but: int) -> int:
    """The end of what a step can compute that reads ``but`` rows beyond its own; all rows once ``rows`` is whole."""
    return rows.height if rows.end == rows.height else max(rows.end - but, 0)
