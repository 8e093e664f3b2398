"""Sub-images: overlapping squares of the training images, in pairs of HR and LR.

A training sample is a small patch, and decoding a whole image of 2000 pixels for it would be a waste. All corners of
the squares are multiples of ``unit``, the least common multiple of the scales, and the HR image is cropped to multiples
of ``unit``. So every HR square corresponds to an LR square of every scale, one HR set serves all scales, and the counts
agree for images of any size. The LR image is made from HR cropped to multiples of its own scale, like published ones.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm
from typing import NamedTuple

from ssiu_arch.data.images import BadImage, Image, encode_png
from ssiu_arch.data.resize import imresize, mod_crop
from ssiu_arch.data.sources import Source
from ssiu_arch.utils.errors import UserError

LR_PATCH = 64  # the LR training patch of SSIU and its peers
RULES = 1  # incremented when the same images and settings give other sub-images


@dataclass(frozen=True)
class Recipe:
    """How sub-images are cut.

    Args:
        scales: scales of the LR sets.
        size: side of an HR sub-image, a multiple of ``unit``; smaller along a side of the image that is shorter.
        step: largest distance between sub-images in HR pixels, a multiple of ``unit``.
        smallest: images with a shorter side cannot hold a training patch; they are named and left out.

    Raises:
        UserError: these do not fit together.
    """

    scales: tuple[int, ...] = (2, 3, 4)
    size: int = 288
    step: int = 192
    smallest: int = 4 * LR_PATCH

    def __post_init__(self) -> None:
        if not self.scales or len(set(self.scales)) < len(self.scales) or not set(self.scales) <= {2, 3, 4}:
            raise UserError(f"--scales {' '.join(map(str, self.scales))}: must be some of 2, 3, 4, each once")
        for option, value in (("--size", self.size), ("--step", self.step)):
            if value < 1 or value % self.unit:
                near = max(1, round(value / self.unit)) * self.unit
                raise UserError(f"{option} {value}: must be a multiple of {self.unit}, such as {near}")
        if self.step > self.size:
            raise UserError(f"--step {self.step}: above --size {self.size}, which leaves gaps between sub-images")
        if not 1 <= self.smallest <= self.size:
            raise UserError(f"--smallest {self.smallest}: must be from 1 to --size {self.size}")

    @property
    def unit(self) -> int:
        """Least common multiple of the scales."""
        return lcm(*self.scales)

    @property
    def outputs(self) -> tuple[str, ...]:
        """``HR``, ``X2`` and so on."""
        return ("HR", *(f"X{scale}" for scale in self.scales))


class Tile(NamedTuple):
    """One sub-image: its key, its shape (height, width), its PNG file."""

    key: str
    height: int
    width: int
    png: bytes


class TooSmall(BadImage):
    """An image that cannot hold a training patch."""


def starts(length: int, size: int, step: int, unit: int) -> list[int]:
    """The first pixels of the sub-images along a side of ``length`` pixels.

    They are evenly spaced multiples of ``unit``, at most ``step`` apart, and the last sub-image ends at the last
    multiple of ``unit``. There is one, at 0, if the side is shorter than ``size``.
    """
    last = max(0, length - length % unit - size)
    gaps = ceil(last / step)
    return [0] + [last * i // (gaps * unit) * unit for i in range(1, gaps + 1)]


def make_lr(hr: Image, scale: int) -> Image:
    """The LR image of ``hr`` as in published sets: cropped to multiples of ``scale``, MATLAB's bicubic."""
    return imresize(mod_crop(hr, scale), Fraction(1, scale))


def cut(source: Source, recipe: Recipe) -> dict[str, list[Tile]]:
    """The tiles of an image for each of ``recipe.outputs``, in the same order and with the same keys, ``NAME_s001`` ...

    Raises:
        BadImage: the image is bad; ``TooSmall``: a side is below ``recipe.smallest``.
    """
    hr = source.read()
    height, width = hr.shape[:2]
    usable = min(height, width) // recipe.unit * recipe.unit
    if usable < recipe.smallest:
        raise TooSmall(
            f"{source.name}: {width}x{height} is too small for patches of {recipe.smallest} pixels "
            f"(sides are cropped to multiples of {recipe.unit}); --smallest lowers the limit"
        )
    images = {"HR": (hr, 1), **{f"X{scale}": (make_lr(hr, scale), scale) for scale in recipe.scales}}
    # Corners and sides are multiples of ``unit``, so of every scale: divided by it, they name the same part of LR
    # without rounding. LR parts are cut from the LR image of the whole picture, not made from the HR parts: at a
    # border, bicubic would mirror pixels where the picture goes on.
    tall, wide = (min(recipe.size, side // recipe.unit * recipe.unit) for side in (height, width))
    tops, lefts = (starts(side, recipe.size, recipe.step, recipe.unit) for side in (height, width))
    corners = [(top, left) for top in tops for left in lefts]
    tiles: dict[str, list[Tile]] = {}
    for output, (image, scale) in images.items():
        shape = tall // scale, wide // scale
        parts = (image[top // scale :, left // scale :][: shape[0], : shape[1]] for top, left in corners)
        tiles[output] = [Tile(f"{source.key}_s{n:03d}", *shape, encode_png(part)) for n, part in enumerate(parts, 1)]
    return tiles
