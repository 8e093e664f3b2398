"""A trained SSIU that enlarges images as numpy has them: any size, band by band, in bounded memory."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.inference.fused import FusedSSIU, fuse
from ssiu_arch.inference.tiles import check_tiles, tiled_bands
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import size_text
from ssiu_arch.utils.memory import free_memory

Array = NDArray[Any]
Advance = Callable[[float], object]

TILE = 512  # LR pixels, where memory asks for tiles
OVERLAP = 32  # LR pixels, or a quarter of smaller tiles
LUMA = (0.299, 0.587, 0.114)  # of R, G and B in grey, ITU-R BT.601
TURNS = [(k, mirrored) for mirrored in (False, True) for k in range(4)]  # quarter turns: the x8 of self-ensemble


class Upscaler:
    """Enlarges images by the fast form of a network.

    Args:
        net: a trained SSIU, on the device to compute on; or its fast form, with its own precision.
        precision: of products: ``fp32``, ``tf32``, ``bf16`` or ``fp16``, see ``fuse``. 16-bit images want ``fp32``.
        self_ensemble: True averages the results of the image turned and mirrored in all eight ways (x8; Lim et al.,
            "EDSR", 2017, Sec. 3.4), which takes eight times as long, and memory for the result in float32.
        tile: LR pixels a side of tiles, which are not exact; None: the whole image, and tiles of 512 where not even
            strips of it fit in memory.
        overlap: LR pixels, of tiles; None: 32, or a quarter of smaller tiles.

    Raises:
        ValueError: an argument is none of these.
    """

    def __init__(
        self,
        net: SSIU | FusedSSIU,
        *,
        precision: str = "fp32",
        self_ensemble: bool = False,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> None:
        self.tile = tile
        self.overlap = min(OVERLAP, (tile or TILE) // 4) if overlap is None else overlap
        check_tiles(TILE if tile is None else tile, self.overlap)
        if isinstance(net, FusedSSIU) and precision != "fp32":
            raise ValueError(f"precision ({precision!r}) is the fast form's own, which is there already")
        self.net = net if isinstance(net, FusedSSIU) else fuse(net, precision=precision)
        self.upscale = self.net.upscale
        self.self_ensemble = self_ensemble
        head = self.net.parts.head.weight
        self.channels, self.device = head.shape[1], head.device

    def __call__(self, image: Array, advance: Advance = lambda share: None) -> Array:
        """The whole result of ``bands``."""
        s = self.upscale
        result = np.empty((s * image.shape[0], s * image.shape[1], image.shape[2]), image.dtype)
        row = 0
        for band in self.bands(image, advance):
            result[row : row + len(band)] = band
            row += len(band)
        return result

    def bands(self, image: Array, advance: Advance = lambda share: None) -> Iterator[Array]:
        """Enlarge ``image``, from the top: ``(rows, s*w, C)`` each, of the type of ``image``, s*h rows in all.

        Args:
            image: ``(h, w, 3)`` RGB or ``(h, w, 1)`` grey; uint8, uint16, or floating point in [0, 1].
            advance: is told the share of the work, up to 1, that has been done since the last time.

        Raises:
            UserError: memory does not do for the result; or the network is for grey images and this is none.
        """
        _check(image)
        if image.shape[2] == 3 and self.channels == 1:
            raise UserError("the weights are for grey images, and this one is in colour")
        self.check_memory(image.shape[0], image.shape[1])
        run = self._ensemble_bands if self.self_ensemble else self._bands
        return (self._as_before(band, image) for band in run(self._tensor(image), advance))

    def check_memory(self, height: int, width: int) -> None:
        """See that memory does for the result of an LR image, and for writing it.

        Raises:
            UserError: it does not.
        """
        bytes_a_sample = 12 if self.self_ensemble else 4
        needed = height * width * self.upscale**2 * self.channels * bytes_a_sample
        free = free_memory(torch.device("cpu"))
        if needed > free:
            raise UserError(
                f"{width}x{height} pixels at x{self.upscale} need {size_text(needed)} for the result, and "
                f"{size_text(free)} are free; cut the image into parts"
            )

    def _tensor(self, image: Array) -> Tensor:
        """``(h, w, c)`` as ``(1, C, h, w)`` in [0, 1] on the network's device, grey as often as it has channels."""
        top = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
        y = torch.from_numpy(np.ascontiguousarray(image.astype(np.float32).transpose(2, 0, 1)))[None].div_(top)
        return y.expand(-1, self.channels, -1, -1).contiguous().to(self.device)

    def _bands(self, y: Tensor, advance: Advance) -> Iterator[Tensor]:
        if self.tile is None and self.net.fits(y):
            bands = self.net.bands(y)
        else:
            if self.tile is None:
                log.warning(f"{y.shape[3]}x{y.shape[2]} pixels: not enough memory for strips, tiles of {TILE} instead")
            bands = tiled_bands(self.net, y, upscale=self.upscale, tile=self.tile or TILE, overlap=self.overlap)
        for band in bands:
            advance(band.shape[2] / (self.upscale * y.shape[2]))
            yield band

    def _ensemble_bands(self, y: Tensor, advance: Advance) -> Iterator[Tensor]:
        """Each turned result is added to a view of the sum, turned in the same way."""
        height, width = self.upscale * y.shape[2], self.upscale * y.shape[3]
        total = np.zeros((y.shape[1], height, width), np.float32)
        for k, mirrored in TURNS:
            turned_y = torch.rot90(y.flip(3) if mirrored else y, k, (2, 3))
            view = np.rot90(total[:, :, ::-1] if mirrored else total, k, (1, 2))
            row = 0
            for band in self._bands(turned_y.contiguous(), lambda share: advance(share / len(TURNS))):
                view[:, row : row + band.shape[2]] += band[0].cpu().numpy()
                row += band.shape[2]
        total /= len(TURNS)
        yield from torch.from_numpy(total)[None].split(256, dim=2)

    def _as_before(self, band: Tensor, image: Array) -> Array:
        """``(1, C, rows, W)`` as ``(rows, W, c)`` of the type, the range and the channels of ``image``."""
        x = band[0].clamp(0, 1)
        if image.shape[2] == 1 and self.channels == 3:
            x = torch.tensordot(torch.tensor(LUMA, device=x.device), x, dims=1)[None]
        if image.dtype.kind == "u":
            x = x.mul(np.iinfo(image.dtype).max).round_()
        return x.permute(1, 2, 0).cpu().numpy().astype(image.dtype)


def upscaled_alpha(upscaler: Upscaler, alpha: Array, advance: Advance = lambda share: None) -> Array:
    """An alpha channel, ``(h, w, 1)``, enlarged as a grey image; where it is the same everywhere, just repeated."""
    if (alpha == alpha[0, 0]).all():
        s = upscaler.upscale
        advance(1)
        return np.full((s * alpha.shape[0], s * alpha.shape[1], 1), alpha[0, 0], alpha.dtype)
    return upscaler(alpha, advance)


def _check(image: Array) -> None:
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise ValueError(f"image ({image.shape}) must be (h, w, 3) or (h, w, 1)")
    if image.dtype not in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
        raise ValueError(f"image ({image.dtype}) must be uint8, uint16, or floating point in [0, 1]")


log = logging.getLogger("basicsr")
