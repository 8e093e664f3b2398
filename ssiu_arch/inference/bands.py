"""An image's result, band by band from the top: exact, for an image of any size.

Two ways, with equal results up to rounding::

    by_stage: one stage after the other            by_wave: all stages go down the image together
    over whole maps; faster                        and keep only rows still read; memory ~ width

        image   stage 1   stage 2   stage 3            image   stage 1   stage 2   stage 3
        #####    #####     #####     ###..             #####    #####     #####     #####   <- band: given away
        #####    #####     #####     .....             #####    #####     ####.     ##...
        #####    #####     #####     .....             #####    ##...     .....     .....
        #####    #####     #####     .....             ...      .....     .....     .....

In the wave, a stage lags behind the one before it by what its attention and convolutions read beyond a row: some 25
rows. So a network of nine stages keeps some hundreds of rows of each map.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ssiu_arch.inference.blocks import Parts
from ssiu_arch.inference.precision import tf32
from ssiu_arch.inference.strips import Maps, Rows, StageByStrips, between_rows, strips


class Bands:
    """The network over one image.

    Args:
        parts: of the network.
        image: ``(1, 3, H, W)``, H and W multiples of 16.
        strip: rows to compute at a time, a multiple of 16.
    """

    def __init__(self, parts: Parts, image: Tensor, strip: int) -> None:
        self.parts, self.image, self.strip = parts, image, strip
        self.tail_strip = max(strip // 4, 8)  # the tail's maps are larger by s^2
        self.height, self.width = image.shape[2:]
        weight = parts.head.weight
        self.like = weight.new_empty(0, len(weight))
        bordered = F.pad(image, [1, 1, 1, 1], mode="reflect").to(weight.dtype)
        self.bordered = bordered.permute(0, 2, 3, 1).contiguous()

    def by_stage(self) -> Iterator[Tensor]:
        """One stage after the other over whole maps; yields ``(1, 3, s R, s W)``, from top to bottom."""
        # In memory: f_y, the experts, and the maps of one stage, which the next stage overwrites. An alpha that is not
        # an expert shares its storage with the output of the stage that reads it (alpha.restart()). That is safe, since
        # ``advance(height)`` mixes all rows of alpha before it refines the first row of the output.
        f_y = alpha = self._map(self.height)
        for lo, hi in strips(0, self.height, self.strip):
            self._shallow(f_y, lo, hi)

        maps = self._maps(self.height)
        kept = {0: f_y}
        for t, stage in enumerate(self.parts.stages, 1):
            out = self._map(self.height) if t - 1 in kept else alpha.restart()
            StageByStrips(stage, alpha, f_y, out, maps, self.strip).advance(self.height)
            maps, alpha = Maps(*(rows.restart() for rows in maps)), out
            if t in self.parts.experts:
                kept[t] = alpha
        del maps

        experts = [kept[t] for t in self.parts.experts]
        for lo, hi in strips(0, self.height, self.tail_strip):
            yield self._deep(experts, f_y, lo, hi)

    def by_wave(self) -> Iterator[Tensor]:
        """All stages together, keeping rows that are still read; yields ``(1, 3, s R, s W)``, from top to bottom."""
        room = self.strip + 16  # more follows when a stage needs it
        alphas = [self._map(room)]
        f_y = alphas[0]
        stages = []
        for part in self.parts.stages:
            out = self._map(room)
            stages.append(StageByStrips(part, alphas[-1], f_y, out, self._maps(room), self.strip))
            alphas.append(out)
        experts = [alphas[t] for t in self.parts.experts]

        done = 0
        while done < self.height:
            if f_y.end < self.height:
                self._shallow(f_y, f_y.end, min(f_y.end + self.strip, self.height))
            for stage in stages:  # a strip each, also once the image is read
                stage.advance(self.strip)
            # The 3x3 convolution of the tail reads one row beyond a band, except at the end of the image.
            end = alphas[-1].end
            for start, stop in strips(done, end if end == self.height else end - 1, self.tail_strip):
                yield self._deep(experts, f_y, start, stop)
                done = stop
            # Stage t+1 reads alpha t. The selector reads the experts, and the tail f_y, from row done - 1 on.
            for alpha, reader in zip(alphas, [*stages, None], strict=True):
                reads_from = reader.reads_from if reader else done - 1
                alpha.release(min(reads_from, done - 1) if alpha in (f_y, *experts) else reads_from)

    def _map(self, room: int) -> Rows:
        return Rows(self.height, self.width, self.like, room=room)

    def _maps(self, room: int) -> Maps:
        s = self.parts.stages[0].pooling
        size, room_there = (self.height // s, self.width // s), room // s + 1
        active, attended = (Rows(*size, self.like, room=room_there, mirrored=mirrored) for mirrored in (False, True))
        wide = Rows(size[0], self.width, self.like, room=room_there if s == 2 else 0)
        return Maps(self._map(room), self._map(room), active, attended, wide)

    def _shallow(self, f_y: Rows, lo: int, hi: int) -> None:
        """Compute rows ``lo`` to ``hi`` of the features of the head."""
        f_y.next(hi - lo)[:, :, 1:-1] = self.parts.head(self.bordered[:, lo : hi + 2])
        f_y.add(hi - lo)

    def _deep(self, experts: list[Rows], f_y: Rows, lo: int, hi: int) -> Tensor:
        """Select and reconstruct rows ``lo`` to ``hi``."""
        above, below = int(lo > 0), int(hi < self.height)
        rows = slice(lo - above, hi + below)
        f = self.parts.select([expert[rows] for expert in experts]) + f_y[rows]
        x = self.parts.tail(f[:, :, 1:-1].contiguous(), above, below)
        return x.add_(self._base(lo, hi))

    def _base(self, lo: int, hi: int) -> Tensor:
        """Rows ``lo`` to ``hi`` of the image, bilinearly interpolated (``align_corners=False``), in float32."""
        # Rounded as by ``F.interpolate``: 1 / s in float32, then y / s - 0.5 in one step, hence here in float64.
        # Otherwise positions in row 3,000 are off by 1e-4 at x3, also if these rows alone are interpolated.
        s = self.parts.upscale
        y = torch.arange(s * lo, s * hi, dtype=torch.float64, device="cpu") + 0.5
        source = (y * torch.tensor(1 / s, dtype=torch.float32, device="cpu").double() - 0.5).float()
        matrix, rows = between_rows(source, self.height)
        with tf32(self.image.device, False):
            between = matrix.to(self.image) @ self.image[:, :, rows]
        return F.interpolate(between, (s * (hi - lo), s * self.width), mode="bilinear", align_corners=False)
