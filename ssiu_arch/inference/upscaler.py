"""Enlarging one image of numpy or Pillow: any size, band by band, in bounded memory."""

import logging
import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.inference.fused import FusedSSIU, Itself, NotReproduced, fuse
from ssiu_arch.inference.metadata import EXIF
from ssiu_arch.inference.photo import from_pillow
from ssiu_arch.inference.tiles import check_tiles, tiled_bands
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import size_text
from ssiu_arch.utils.memory import free_memory
from ssiu_arch.weights import load
from ssiu_arch.weights.shipped import weights_path
from ssiu_arch.weights.ssiu import check_scale

Array = NDArray[Any]
Advance = Callable[[float], object]

TILE = 512  # LR pixels, of tiles used when memory is short
OVERLAP = 32  # LR pixels
ROUNDING = 1e-3  # by which floating-point images may leave [0, 1]
LUMA = (0.299, 0.587, 0.114)  # weights of R, G and B in grey, ITU-R BT.601
TURNS = [(k, mirrored) for mirrored in (False, True) for k in range(4)]  # quarter turns: the x8 of self-ensemble


class Upscaler:
    """Enlarges images with the optimised form of a network.

    Args:
        net: a trained SSIU, on the device to use; or its optimised form, which has its own precision. A changed SSIU
            that the optimised form does not reproduce runs itself, with a warning.
        precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``, see ``fuse``. Use ``fp32`` for 16-bit images. A result that
            overflows in half precision is computed in float32, with a warning.
        self_ensemble: True averages the results of the image rotated and flipped in all eight ways (Lim et al.,
            "EDSR", 2017, Sec. 3.4): eight times slower, with the result in float32 in memory.
        tile: tile side in LR pixels (approximate), which overlap by 32, or a quarter of smaller ones; None: the whole
            image. If even strips do not fit in memory, 512-pixel tiles are used automatically.

    Raises:
        ValueError: an argument is not one of these.
    """

    def __init__(
        self,
        net: SSIU | FusedSSIU,
        *,
        precision: str = "fp32",
        self_ensemble: bool = False,
        tile: int | None = None,
    ) -> None:
        if tile is not None:
            check_tiles(tile, 0)
        if isinstance(net, FusedSSIU) and precision != "fp32":
            raise ValueError(f"precision ({precision!r}) was chosen when net was fused: give the SSIU, or leave it out")
        self.net = net if isinstance(net, FusedSSIU) else _optimised(net, precision)
        self._exact: SSIU | FusedSSIU | None = net if precision in ("bf16", "fp16") and isinstance(net, SSIU) else None
        self.tile, self.self_ensemble, self.upscale = tile, self_ensemble, self.net.upscale
        first = net.parts.head.weight if isinstance(net, FusedSSIU) else net.head.weight
        self.channels, self.device = first.shape[1], first.device

    def __call__(self, image: Array, advance: Advance = lambda share: None) -> Array:
        """The whole result of ``image``, as for ``bands``, or with alpha as its second or fourth channel.

        Alpha is enlarged as a grey image; one that is the same everywhere is just repeated.
        """
        _check(image, (1, 2, 3, 4))
        s, (h, w, channels) = self.upscale, image.shape
        self.check_memory(h, w)
        colours = channels - (channels in (2, 4))
        result = np.empty((s * h, s * w, channels), image.dtype)
        parts = [slice(colours), slice(colours, channels)] if channels > colours else [slice(channels)]
        for part in parts:
            given, row = image[:, :, part], 0
            if part.start and (given == given[0, 0]).all():
                result[:, :, part] = given[0, 0]
                advance(1 / len(parts))
                continue
            for band in self.bands(given, lambda share: advance(share / len(parts))):
                result[row : row + len(band), :, part] = band
                row += len(band)
        return result

    def bands(self, image: Array, advance: Advance = lambda share: None) -> Iterator[Array]:
        """Enlarge ``image`` in bands from the top: ``(rows, s*w, C)``, of the type of ``image``, s*h rows in all.

        Args:
            image: ``(h, w, 3)`` RGB or ``(h, w, 1)`` grey; uint8, uint16, or floating point in [0, 1]; of any strides
                and byte order.
            advance: called with the share of the work done since its last call; the shares add up to 1.

        Raises:
            UserError: the result does not fit in memory; the image has colours and the network takes grey ones only; or
                (from the iterator) the result is not finite.
            ValueError: ``image`` is not such an array, or holds values that are NaN or out of range.
        """
        _check(image, (1, 3))
        if image.shape[2] == 3 and self.channels == 1:
            raise UserError("has colours, and the weights are for grey images; convert it to grey")
        self.check_memory(image.shape[0], image.shape[1])
        run = self._ensemble_bands if self.self_ensemble else self._bands
        return (self._as_before(band, image) for band in run(self._tensor(image), advance))

    def check_memory(self, height: int, width: int) -> None:
        """Raise ``UserError`` if the result of an LR image, float32, does not fit in memory."""
        bytes_a_sample = 12 if self.self_ensemble else 4
        needed = height * width * self.upscale**2 * self.channels * bytes_a_sample
        free = free_memory(torch.device("cpu"))
        if needed > free:
            raise UserError(
                f"{width}x{height} pixels at x{self.upscale} need {size_text(needed)} for the result, and "
                f"{size_text(free)} are free; cut the image into parts"
            )

    def _tensor(self, image: Array) -> Tensor:
        """``(h, w, c)`` as ``(1, C, h, w)`` in [0, 1] on the network's device; grey is repeated in every channel."""
        top = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
        y = torch.from_numpy(np.ascontiguousarray(image.astype(np.float32).transpose(2, 0, 1)))[None].div_(top)
        return y.expand(-1, self.channels, -1, -1).contiguous().to(self.device)

    def _bands(self, y: Tensor, advance: Advance) -> Iterator[Tensor]:
        """The result in finite bands; from where half precision overflows on, float32's."""
        # The network in float32 begins at the top again, and its bands may have other heights. ``at`` counts its rows,
        # ``done`` those that were given away: of a band that reaches beyond them, the rows after ``done`` are new.
        rows, done = self.upscale * y.shape[2], 0
        for net in self._nets():
            at = 0
            for band in self._bands_of(net, y):
                if not band.isfinite().all():
                    break
                at += band.shape[2]
                if at > done:
                    advance((at - done) / rows)
                    yield band[:, :, done - at :]
                    done = at
            if done == rows:
                return
        raise UserError("the result is not finite; use other weights, or precision fp32")

    def _nets(self) -> Iterator[FusedSSIU | Itself]:
        """The network, and where that has half precision, its form in float32."""
        yield self.net
        if self._exact:
            log.warning("the result is not finite in half precision, computing it in float32")
            self._exact = self._exact if isinstance(self._exact, FusedSSIU) else fuse(self._exact)
            yield self._exact

    def _bands_of(self, net: FusedSSIU | Itself, y: Tensor) -> Iterator[Tensor]:
        if self.tile is None and net.fits(y):
            return net.bands(y)
        if self.tile is None:
            log.warning(f"{y.shape[3]}x{y.shape[2]} pixels: out of memory for strips, using tiles of {TILE}")
        tile = self.tile or TILE
        return tiled_bands(net, y, upscale=self.upscale, tile=tile, overlap=min(OVERLAP, tile // 4))

    def _ensemble_bands(self, y: Tensor, advance: Advance) -> Iterator[Tensor]:
        """Average eight results: each is added to a view of the sum, rotated and flipped like its image."""
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
        """``(1, C, rows, W)`` as ``(rows, W, c)`` with the type, range and channels of ``image``."""
        x = band[0].clamp(0, 1)
        if image.shape[2] == 1 and self.channels == 3:
            x = torch.tensordot(torch.tensor(LUMA, device=x.device), x, dims=1)[None]
        if image.dtype.kind == "u":
            x = x.mul(np.iinfo(image.dtype).max).round_()
        return x.permute(1, 2, 0).cpu().numpy().astype(image.dtype)


def _optimised(net: SSIU, precision: str) -> FusedSSIU | Itself:
    """The optimised form of ``net``, or ``net`` itself where that would compute something else."""
    try:
        return fuse(net, precision=precision)
    except NotReproduced as error:
        if precision != "fp32":
            raise ValueError(f"precision ({precision!r}) must be fp32: {error}") from error
        log.warning(f"{error}; the network itself is used")
        return Itself(net)


def _check(image: Array, channels: tuple[int, ...]) -> None:
    """Raise ``ValueError`` for what is no image of so many channels: see ``Upscaler.bands``."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] not in channels or 0 in image.shape:
        what = f"an array {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(
            f"image ({what}) must be a Pillow image or an array (h, w), or (h, w, C) of C in {channels}, h and w not 0"
        )
    if image.dtype.newbyteorder("=") not in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
        raise ValueError(
            f"image ({image.dtype}) must be uint8, uint16, or floating point in [0, 1]; convert it, for values of 0 to "
            "255 with image.astype(numpy.uint8)"
        )
    if image.dtype.kind == "f":
        least, most = image.min(), image.max()
        if not np.isfinite([least, most]).all():
            raise ValueError("image holds NaN or infinite values; replace them, for example with numpy.nan_to_num")
        if least < -ROUNDING or most > 1 + ROUNDING:
            raise ValueError(
                f"image holds values from {least:.6g} to {most:.6g}, and floating point must be in [0, 1]; divide it "
                "by 255 or 65535, or clip it with image.clip(0, 1)"
            )


def upscale(
    image: Any,
    net: SSIU | FusedSSIU | Upscaler | str | Path = "shipped",
    *,
    scale: int | None = None,
    **options: Any,
) -> Any:
    """Enlarge an image.

    Args:
        image: a Pillow image, or an array: ``(h, w)`` grey, ``(h, w, 2)`` grey and alpha, ``(h, w, 3)`` RGB or
            ``(h, w, 4)`` RGB and alpha; uint8, uint16, or floating point in [0, 1], of any strides and byte order.
            Convert OpenCV's BGR to RGB first.
        net: a trained SSIU, its optimised form, an ``Upscaler``, or a file of weights, which is read once per process.
            ``shipped``: the weights of the package.
        scale: 2, 3 or 4: picks the shipped weights (default 4); must be that of any other ``net``.
        options: of ``Upscaler``: ``precision``, ``self_ensemble``, ``tile``.

    Returns:
        The same kind: an array of the same type and channels, or a Pillow image of the same mode with its ICC profile
        and EXIF (a palette becomes RGB), turned upright, as viewers show it.

    Raises:
        UserError: the file of weights cannot be used, the image has a mode that is not supported, or out of memory.
        ValueError: ``image`` or an option is not one of these, a value is NaN or out of range, or ``net`` is for
            another scale.
    """
    named: object = f"of net ({type(net).__name__})"
    if isinstance(net, (str, Path)):
        named = path = weights_path(net, scale)
        status = path.stat() if os.path.isfile(path) else None
        net = _network(path, status and (status.st_mtime_ns, status.st_size))
    upscaler = net if isinstance(net, Upscaler) else Upscaler(net, **options)
    check_scale(named, upscaler.upscale, scale)
    if isinstance(net, Upscaler) and options:
        raise ValueError(f"options ({', '.join(options)}) belong to the Upscaler: give them when you make it")
    if isinstance(image, Image.Image):
        return _of_pillow(image, upscaler)
    if isinstance(image, np.ndarray):
        image = np.asarray(image)  # a matrix has two dimensions, whatever its shape says
        return upscaler(image[:, :, None])[:, :, 0] if image.ndim == 2 else upscaler(image)
    return upscaler(image)


@lru_cache(maxsize=4)
def _network(path: Path, _version: object) -> SSIU:
    """The network of a file of weights; read again when ``_version``, its time and size, has changed."""
    return load(path)


def _of_pillow(image: Image.Image, upscaler: Upscaler) -> Image.Image:
    photo = from_pillow(image).upright()
    result = upscaler(photo.samples)
    enlarged = Image.fromarray(result[:, :, 0] if result.shape[2] == 1 else result)
    meta = photo.meta.of_size(enlarged.height, enlarged.width).fitting(is_grey=result.shape[2] < 3)
    kept = {"icc_profile": meta.icc, "exif": meta.exif and EXIF + meta.exif, "dpi": image.info.get("dpi")}
    enlarged.info = {name: value for name, value in kept.items() if value}
    return enlarged


log = logging.getLogger("basicsr")
