"""Sub-images: overlapping squares of the training images, in pairs of HR and LR.

A training sample is a small patch, so whole images of 2000 pixels would be decoded almost for nothing.
The grid lies inside the HR image cropped to multiples of ``unit`` and all its corners are multiples of
``unit``, the least common multiple of the scales. So every HR square meets an LR square of every scale
exactly, one HR set serves all scales, and the counts agree whatever the size of an image. The LR image
itself is made from the HR image cropped to multiples of its own scale, as the published ones are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm

from ssiu_arch.data.images import BadImage, Image, encode_png
from ssiu_arch.data.resize import imresize, mod_crop
from ssiu_arch.data.sources import Source
from ssiu_arch.utils.errors import UserError

LR_PATCH = 64  # the LR training patch of SSIU and its peers
RULES = 1  # raised when the same images and settings come to give other sub-images


@dataclass(frozen=True)
class Recipe:
    """How sub-images are cut.

    Args:
        scales: The LR sets to make.
        size: Side of an HR sub-image; a multiple of ``unit``. An image with a shorter side gives
            sub-images as long as that side allows.
        step: From one sub-image to the next, at most; a multiple of ``unit``.
        smallest: Images with a side below this cannot hold a training patch and are left out, by name.

    Raises:
        UserError: If these do not fit together.
    """

    scales: tuple[int, ...] = (2, 3, 4)
    size: int = 288
    step: int = 192
    smallest: int = 4 * LR_PATCH

    def __post_init__(self) -> None:
        if not self.scales or len(set(self.scales)) < len(self.scales) or not set(self.scales) <= {2, 3, 4}:
            raise UserError(f"--scales {' '.join(map(str, self.scales))}: must be different ones of 2, 3, 4")
        for option, value in (("--size", self.size), ("--step", self.step)):
            if value < 1 or value % self.unit:
                near = max(1, round(value / self.unit)) * self.unit
                raise UserError(f"{option} {value}: must be a multiple of {self.unit}, such as {near}")
        if self.step > self.size:
            raise UserError(f"--step {self.step}: above --size {self.size} it would leave gaps; use at most that")
        if not 1 <= self.smallest <= self.size:
            raise UserError(f"--smallest {self.smallest}: must be from 1 to --size {self.size}")

    @classmethod
    def from_options(cls, scales: Sequence[int], size: int, step: int, smallest: int | None) -> "Recipe":
        """The recipe of a command line, where ``smallest`` is by default the HR patch of the largest scale."""
        return cls(tuple(scales), size, step, smallest or LR_PATCH * max(scales))

    @property
    def unit(self) -> int:
        """Least common multiple of the scales."""
        return lcm(*self.scales)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The sets made: ``HR``, ``X2`` and so on."""
        return ("HR", *(f"X{scale}" for scale in self.scales))


@dataclass(frozen=True)
class Tile:
    """One sub-image: its key, its shape (height, width), its PNG file."""

    key: str
    height: int
    width: int
    png: bytes


class TooSmall(BadImage):
    """An image that cannot hold a training patch."""


def starts(length: int, size: int, step: int, unit: int) -> list[int]:
    """Where the sub-images begin along a side of ``length`` pixels.

    From 0 to where the last one ends with the multiples of ``unit``, evenly, at most ``step`` apart;
    one at 0 where the side is shorter than ``size``.
    """
    last = max(0, length - length % unit - size)
    gaps = ceil(last / step)
    return [0] + [last * i // (gaps * unit) * unit for i in range(1, gaps + 1)]


def make_lr(hr: Image, scale: int) -> Image:
    """The LR image as published ones are made: MATLAB's bicubic on ``hr`` cropped to multiples of ``scale``."""
    return imresize(mod_crop(hr, scale), Fraction(1, scale))


def cut(source: Source, recipe: Recipe) -> dict[str, list[Tile]]:
    """Read an image and cut it, and its LR images, into sub-images.

    Returns:
        For each of ``recipe.outputs`` the tiles, in the same order and with the same keys,
        ``NAME_s001`` and on.

    Raises:
        BadImage: If an image cannot be used, or a given LR image is not of the size that its HR image asks for.
        TooSmall: If a side is below ``recipe.smallest``.
    """
    hr = source.read()
    height, width = hr.shape[:2]
    usable = min(height, width) // recipe.unit * recipe.unit
    if usable < recipe.smallest:
        raise TooSmall(
            f"{source.name}: {width}x{height} is too small for patches of {recipe.smallest} pixels "
            f"(sides are cropped to multiples of {recipe.unit}); --smallest lowers the limit"
        )
    images = {"HR": (hr, 1)}
    for scale in recipe.scales:
        images[f"X{scale}"] = (_given_lr(source, hr, scale) if source.lr else make_lr(hr, scale), scale)

    tall, wide = (min(recipe.size, side // recipe.unit * recipe.unit) for side in (height, width))
    tops = starts(height, recipe.size, recipe.step, recipe.unit)
    lefts = starts(width, recipe.size, recipe.step, recipe.unit)
    corners = [(top, left) for top in tops for left in lefts]
    tiles: dict[str, list[Tile]] = {}
    for output, (image, scale) in images.items():
        tiles[output] = []
        for number, (top, left) in enumerate(corners, start=1):
            part = image[top // scale : (top + tall) // scale, left // scale : (left + wide) // scale]
            tiles[output].append(Tile(f"{source.key}_s{number:03d}", part.shape[0], part.shape[1], encode_png(part)))
    return tiles


def _given_lr(source: Source, hr: Image, scale: int) -> Image:
    assert source.lr is not None
    lr = source.lr.read()
    wanted = (hr.shape[1] // scale, hr.shape[0] // scale)
    if (lr.shape[1], lr.shape[0]) != wanted:
        raise BadImage(
            f"{source.lr.name}: {lr.shape[1]}x{lr.shape[0]} does not belong to {source.name} "
            f"({hr.shape[1]}x{hr.shape[0]}), whose x{scale} LR image is {wanted[0]}x{wanted[1]}"
        )
    return lr
