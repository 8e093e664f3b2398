"""One image with the results of several networks: reading, scores, ranking, and where the results differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ssiu_arch.data.bicubic import enlarge
from ssiu_arch.data.images import Image, read_image
from ssiu_arch.data.resize import imresize, mod_crop
from ssiu_arch.tools.compare.matching import Files
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


@dataclass(frozen=True)
class Subject:
    """HR and the results made from its LR: all of one size, (H, W, 3), BGR, uint8.

    Attributes:
        name: of the image.
        hr: cropped to multiples of the scale.
        results: by name, bicubic interpolation first.
    """

    name: str
    hr: Image
    results: dict[str, Image]


def read(files: Files, scale: int, crops: Sequence[Box] = ()) -> Subject:
    """Read the images of ``files`` and make the bicubic one: HR reduced and enlarged as MATLAB does.

    Args:
        files: of one image.
        scale: of the results; HR is cropped to multiples of it at the right and bottom.
        crops: that must lie inside HR.

    Raises:
        UserError: a file is no image, has the wrong size, HR is too small for SSIM, or a crop is empty or outside.
    """
    whole = read_image(files.hr)
    hr = mod_crop(whole, scale)
    height, width = hr.shape[:2]
    least = 2 * scale + WINDOW
    size = f"{whole.shape[1]}x{whole.shape[0]}"
    if min(height, width) < least:
        raise UserError(f"HR {files.hr}: is {size}; SSIM at x{scale} needs at least {least}x{least} pixels")
    for crop in crops:
        if not (crop.width and crop.height and crop.x + crop.width <= width and crop.y + crop.height <= height):
            raise UserError(
                f"--crop {crop}: empty or outside {files.name}, which is {width}x{height}; give X Y WIDTH HEIGHT"
            )
    results = {"Bicubic": enlarge(imresize(hr, 1 / scale), scale)}
    for name, path in files.results.items():
        results[name] = image = read_image(path)
        if image.shape != hr.shape:
            raise UserError(
                f"{name}={path}: is {image.shape[1]}x{image.shape[0]}, but HR {files.hr} ({size}) at x{scale} requires "
                f"{width}x{height}; check the file and --scale"
            )
    return Subject(files.name, hr, results)


def scores(subject: Subject, scale: int) -> dict[str, Score]:
    """PSNR and SSIM of each result by BasicSR's functions, on Y of YCbCr, without a border as wide as the scale."""
    from basicsr.metrics import calculate_psnr, calculate_ssim

    metrics = calculate_psnr, calculate_ssim
    return {
        name: Score(*(float(metric(image, subject.hr, scale, test_y_channel=True)) for metric in metrics))
        for name, image in subject.results.items()
    }


def marks(found: Mapping[str, Score]) -> dict[str, str]:
    """``best`` for the highest PSNR, ``second`` for the next, else ``""``, by name.

    Ranking uses PSNR rounded to two digits, as printed; ties share a mark. A single result gets no mark, and of two
    results only the better one does.
    """
    ranking = sorted({round(score.psnr, 2) for score in found.values()}, reverse=True)
    mark = dict(zip(ranking, ["best", "second"][: len(found) - 1], strict=False))
    return {name: mark.get(round(score.psnr, 2), "") for name, score in found.items()}


def most_different(subject: Subject, scale: int, side: int) -> Box:
    """The square with the largest variance over the results, summed over pixels and channels.

    Ties go to the topmost, then the leftmost square. Bicubic interpolation counts as a result; alone, it is compared
    with HR. Squares lie inside the border that scores leave out.

    Args:
        subject: the image.
        scale: of the results, and width of the border in pixels.
        side: of the square in pixels; reduced if the image is smaller.
    """
    images = [*subject.results.values(), *([subject.hr] if len(subject.results) == 1 else [])]
    total = squares = np.zeros(1, np.int64)
    for image in images:
        inner = image[scale:-scale, scale:-scale].astype(np.int64)
        total, squares = total + inner, squares + inner**2
    spread = (len(images) * squares - total**2).sum(axis=2)  # integers, so that ties are exact on every machine
    side = min(side, *spread.shape)
    sums = np.pad(spread, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)  # integral image
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return Box(int(x) + scale, int(y) + scale, side, side)
