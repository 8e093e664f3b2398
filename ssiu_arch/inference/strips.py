"""One stage, strip by strip: what stays in the cache is not written out, and no map has to be there whole.

The steps of a stage reach beyond their rows: mix by one, attend to the next windows, spread by one, refine by two. Each
is done as far as the rows it reads are known, so that a stage can follow the one before it at some distance.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ssiu_arch.inference.blocks import Stage
from ssiu_arch.inference.rows import Rows, reflect_columns


class Maps(NamedTuple):
    """What a stage keeps between its steps; h and w are H and W, or half of them where the attention is ESAM."""

    difference: Rows  # d, (H, W)
    beta: Rows  # (H, W)
    active: Rows  # the attention's input, (h, w), no border
    attended: Rows  # SAM(active), (h, w)
    wide: Rows  # e, but for its rows, (h, W); not with SAM

    @classmethod
    def of(cls, f_y: Rows, pooling: int, room: int) -> "Maps":
        """Maps for stages over a map like ``f_y``, with room for ``room`` rows at first."""
        height, width, like = f_y.height, f_y.width, f_y.storage
        size, room_there = (height // pooling, width // pooling), room // pooling + 1
        return cls(
            Rows(height, width, like, border=1, room=room),
            Rows(height, width, like, border=1, room=room),
            Rows(*size, like, border=0, room=room_there),
            Rows(*size, like, border=1, room=room_there),
            Rows(size[0], width, like, border=1, room=room_there if pooling == 2 else 0),
        )

    def restart(self) -> "Maps":
        """The same storage, for the next stage."""
        return Maps(*(rows.restart() for rows in self))


class StageByStrips:
    """Computes ``out``, alpha after a stage, from ``alpha`` and ``f_y``, at most ``strip`` rows at a time.

    ::

        mix      a = LN(alpha), z = MSGM1(a), beta = MSGM2(a); u = a + z + f_y, d = u - beta, active = maxpool2(u)
        attend   SAM(active)
        spread   DW(SAM(active)), its columns doubled
        refine   e: the rows doubled, too; alpha~ = MSGM3(d + e) + beta; out = MSGM4(alpha~) + alpha~

    With SAM in the place of ESAM, ``active`` is u, and e is SAM(u).
    """

    def __init__(self, stage: Stage, alpha: Rows, f_y: Rows, out: Rows, maps: Maps, strip: int) -> None:
        self.stage, self.alpha, self.f_y, self.out, self.maps, self.strip = stage, alpha, f_y, out, maps, strip
        self.pooling = stage.pooling

    def advance(self, rows: int) -> None:
        """Go on by ``rows`` rows of ``alpha`` at most, and do whatever that allows; multiples of 2."""
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
            known = 2 * _known(wide, but=2)
        else:
            known = _known(attended, but=2)
        for lo, hi in strips(self.out.end, known, self.strip):
            self._refine(lo, hi)
        difference.release(self.out.end - 2)
        beta.release(self.out.end - 1)
        if self.pooling == 2:
            wide.release((self.out.end - 2) // 2 - 1)
        else:
            attended.release(self.out.end - 2)

    @property
    def reads_from(self) -> int:
        """The first row of ``alpha`` that this stage is still to read."""
        return self.maps.difference.end - 1

    def _mix(self, lo: int, hi: int) -> None:
        difference, beta, active, *_ = self.maps
        a = self.stage.norm(self.alpha[lo - 1 : hi + 1])
        u = self.stage.sparsity.along_rows(a, plus=a[:, 1:-1]).add_(self.f_y[lo:hi])
        beta.append(self.stage.similarity.along_rows(a))
        torch.sub(u, beta[lo:hi], out=difference.next(hi - lo))
        difference.add(hi - lo)

        if self.pooling == 2:
            pairs = torch.maximum(u[:, 0::2], u[:, 1::2])
            torch.maximum(pairs[:, :, 1:-1:2], pairs[:, :, 2::2], out=active.next((hi - lo) // 2))
            active.add((hi - lo) // 2)
        else:
            active.append(u[:, :, 1:-1])

    def _attend(self, lo: int, hi: int) -> None:
        active, attended = self.maps.active, self.maps.attended
        above, below = int(lo > 0), int(hi < active.height)
        attended.next(hi - lo)[:, :, 1:-1] = self.stage.attention(active[lo - above : hi + below], above, below)
        attended.add(hi - lo)

    def _spread(self, lo: int, hi: int) -> None:
        attended, wide = self.maps.attended, self.maps.wide
        spread = self.stage.spread(attended[lo - 1 : hi + 1]).permute(0, 3, 1, 2)
        doubled = F.interpolate(spread, (hi - lo, wide.width), mode="bilinear", align_corners=True)
        wide.next(hi - lo)[:, :, 1:-1] = doubled.permute(0, 2, 3, 1)
        wide.add(hi - lo)

    def _refine(self, lo: int, hi: int) -> None:
        start, stop = max(lo - 1, 0), min(hi + 1, self.out.height)  # rows of alpha~
        refined = self.stage.centralise.along_rows(self._v(start - 1, stop + 1), plus=self.maps.beta[start:stop])
        reflect_columns(refined)
        if start == lo:  # the border above the map
            refined = torch.cat([refined[:, 1:2], refined], dim=1)
        if stop == hi:
            refined = torch.cat([refined, refined[:, -2:-1]], dim=1)
        self.out.append(self.stage.ffn.along_rows(refined, plus=refined[:, 1:-1]))

    def _v(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop`` of d + e, which may reach into the border."""
        difference, _, _, attended, wide = self.maps
        d = difference[start:stop]
        if self.pooling == 1:
            return d + attended[start:stop]
        v = torch.empty_like(d)
        for lo, hi in strips(start, stop, 8):  # the matrix is mostly zeros, the more the larger it is
            matrix, rows = up2_rows(lo, hi, difference.height, d.dtype, d.device)
            part = slice(lo - start, hi - start)
            torch.addmm(d[0, part].flatten(1), matrix, wide[rows][0].flatten(1), out=v[0, part].flatten(1))
        return v


def strips(start: int, stop: int, height: int) -> Iterator[tuple[int, int]]:
    """Cut rows ``start`` to ``stop`` into strips of at most ``height``: first and end row of each."""
    for lo in range(start, stop, height):
        yield lo, min(lo + height, stop)


@lru_cache(maxsize=4096)  # every stage asks for the same
def up2_rows(lo: int, hi: int, height: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, slice]:
    """Rows ``lo`` to ``hi`` of a map made twice as high, to ``height``, as ``between_rows``: align_corners=True.

    They may reach into the border. Rounded as ``F.interpolate`` rounds, in float32.
    """
    y = torch.arange(lo, hi, device="cpu").abs()
    y = torch.minimum(y, 2 * (height - 1) - y)  # mirrored
    source = y * (torch.tensor(height // 2 - 1, dtype=torch.float32, device="cpu") / (height - 1))
    matrix, rows = between_rows(source, height // 2)
    return matrix.to(device, dtype), rows


def between_rows(source: Tensor, height: int) -> tuple[Tensor, slice]:
    """Linear interpolation between the rows of a map of ``height`` rows, as a matrix product with some of them.

    Args:
        source: where the wanted rows lie among those of the map, in float32.

    Returns:
        The matrix ``(len(source), n)`` in float32, and which n rows it is for.
    """
    upper = source.floor().long().clamp(0, height - 2)
    part = (source - upper).clamp(0, 1)
    first, stop = int(upper.min()), int(upper.max()) + 2
    matrix = torch.zeros(len(source), stop - first, dtype=torch.float32, device="cpu")
    matrix.scatter_(1, (upper - first)[:, None], (1 - part)[:, None])
    matrix.scatter_(1, (upper - first + 1)[:, None], part[:, None])
    return matrix, slice(first, stop)


def _known(rows: Rows, but: int) -> int:
    """How many rows a step can do that reads ``but`` rows beyond its own: all of them once ``rows`` is whole."""
    return rows.height if rows.end == rows.height else max(rows.end - but, 0)
