"""What is compared: HR, bicubic interpolation and the results of several networks, with their scores."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssiu_arch.data.bicubic import enlarge
from ssiu_arch.data.images import Image, list_images, read_image
from ssiu_arch.data.resize import imresize, mod_crop
from ssiu_arch.utils.errors import UserError

WINDOW = 11  # side of the window of BasicSR's SSIM, in pixels


class Box(NamedTuple):
    """A crop: x and y of its top left pixel, width and height, in HR pixels."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.x} {self.y} {self.width} {self.height}"

    def of(self, image: Image) -> Image:
        """The crop of ``image`` (H, W, C); a view."""
        return image[self.y : self.y + self.height, self.x : self.x + self.width]


class Score(NamedTuple):
    """PSNR in dB (infinite for equal images) and SSIM."""

    psnr: float
    ssim: float

    def __str__(self) -> str:
        return f"{self.psnr:.2f} / {self.ssim:.4f}"


def result_file(name: str, path: Path, hr: Path, scale: int) -> Path:
    """The file of a result for an HR file: ``path``, or the one file in this folder that is named like HR.

    Folders are searched recursively. Like ``baby.png`` are named ``baby.png``, ``babyx4.png`` (the scale), and either
    followed by ``_`` and anything, such as ``baby_SSIU.png`` or ``babyx4_test_SSIU_x4.png`` (``basicsr test``).

    Raises:
        UserError: the path does not exist, or not exactly one file in the folder is named like HR.
    """
    if os.path.isfile(path):  # os.path returns False where pathlib raises, as for a name that is too long
        return path
    if not os.path.isdir(path):
        raise UserError(f"{name}={path}: no such file or folder")
    like_hr = re.compile(rf"{re.escape(hr.stem)}(x{scale})?(_.*)?")
    found = [file for file in list_images(path, recursive=True) if like_hr.fullmatch(file.stem)]
    if len(found) != 1:
        names = f" ({', '.join(str(file.relative_to(path)) for file in found[:3])})" if found else ""
        said = f"{len(found)} files in this folder are named like {hr.name}{names}"
        raise UserError(f"{name}={path}: {said}: check --scale, or name the file")
    return found[0]


def read(hr_file: Path, files: Mapping[str, Path], scale: int, crops: Sequence[Box] = ()) -> dict[str, Image]:
    """By name HR, Bicubic and the results in ``files``: all of one size, (H, W, 3), BGR, uint8.

    HR is cropped to multiples of the scale at the right and bottom; Bicubic is HR reduced and enlarged as MATLAB does.

    Raises:
        UserError: a file is no image, has the wrong size, HR is too small for SSIM, or a crop is empty or outside.
    """
    whole = read_image(hr_file)
    hr = mod_crop(whole, scale)
    height, width = hr.shape[:2]
    least = 2 * scale + WINDOW
    size = f"{whole.shape[1]}x{whole.shape[0]}"
    if min(height, width) < least:
        raise UserError(f"HR {hr_file}: is {size}; SSIM at x{scale} needs at least {least}x{least} pixels")
    for crop in crops:
        if not (crop.width and crop.height and crop.x + crop.width <= width and crop.y + crop.height <= height):
            where = f"{hr_file.stem}, which is {width}x{height}"
            raise UserError(f"--crop {crop}: empty or outside {where}; give X Y WIDTH HEIGHT")
    images = {"HR": hr, "Bicubic": enlarge(imresize(hr, 1 / scale), scale)}
    for name, path in files.items():
        images[name] = image = read_image(path)
        if image.shape != hr.shape:
            raise UserError(
                f"{name}={path}: is {image.shape[1]}x{image.shape[0]}, but HR {hr_file} ({size}) at x{scale} requires "
                f"{width}x{height}; check the file and --scale"
            )
    return images


def scores(images: Mapping[str, Image], scale: int) -> dict[str, Score]:
    """PSNR and SSIM of all but HR by BasicSR's functions, on Y of YCbCr, without a border as wide as the scale."""
    from basicsr.metrics import calculate_psnr, calculate_ssim

    metrics = calculate_psnr, calculate_ssim
    return {
        name: Score(*(float(metric(image, images["HR"], scale, test_y_channel=True)) for metric in metrics))
        for name, image in images.items()
        if name != "HR"
    }


def most_different(images: Mapping[str, Image], scale: int, side: int) -> Box:
    """The square with the largest variance over the results, summed over pixels and channels.

    Ties go to the topmost, then the leftmost square. Bicubic interpolation counts as a result; alone, it is compared
    with HR, the first image. Squares lie inside the border that scores leave out, ``scale`` pixels wide, and are
    smaller than ``side`` if the image is.
    """
    compared = [*images.values()][len(images) > 2 :]
    stack = np.stack(compared)[:, scale:-scale, scale:-scale].astype(np.int64)
    # n * sum(v^2) - sum(v)^2 is n^2 times the variance, in integers: ties are exact on every machine. The sum over
    # each square is then four values of the integral image.
    spread = (len(stack) * (stack**2).sum(axis=0) - stack.sum(axis=0) ** 2).sum(axis=2)
    side = min(side, *spread.shape)
    sums = np.pad(spread, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return Box(int(x) + scale, int(y) + scale, side, side)
