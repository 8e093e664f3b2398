"""One image, what networks made of it, how good that is, and where it differs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ssiu_arch.data.bicubic import enlarge
from ssiu_arch.data.images import Image, read_image
from ssiu_arch.data.resize import mod_crop
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.patches.training.small_ssim import WINDOW
from ssiu_arch.tools.compare.matching import Files
from ssiu_arch.utils.errors import UserError

BICUBIC = "Bicubic"


class Box(NamedTuple):
    """A crop: its top left pixel in HR and its size, in pixels of HR."""

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
    """PSNR in dB, infinite for equal images, and SSIM."""

    psnr: float
    ssim: float

    def __str__(self) -> str:
        return f"{self.psnr:.2f} / {self.ssim:.4f}"


@dataclass(frozen=True)
class Subject:
    """One image: HR, and what was made from its LR; all of one size, BGR, uint8, as BasicSR's metrics take them.

    Attributes:
        name: of the image.
        hr: (H, W, 3), cropped to multiples of the scale.
        results: (H, W, 3) by name, bicubic interpolation first.
    """

    name: str
    hr: Image
    results: dict[str, Image]

    def check_inside(self, crop: Box) -> None:
        """Raise ``UserError`` where a crop is empty, or not inside of HR."""
        height, width = self.hr.shape[:2]
        if not crop.width * crop.height:
            raise UserError(f"--crop {crop}: is empty; write X Y WIDTH HEIGHT")
        if crop.x + crop.width > width or crop.y + crop.height > height:
            raise UserError(
                f"--crop {crop}: lies outside of {self.name}, which is {width}x{height}, cropped to multiples of the "
                "scale; write X Y WIDTH HEIGHT"
            )


def read(files: Files, scale: int) -> Subject:
    """The images of ``files``, HR cropped to multiples of ``scale``; and MATLAB's bicubic interpolation of LR.

    Raises:
        UserError: a file is no image, has another size than HR asks for, or HR is too small to be scored.
    """
    whole = read_image(files.hr)
    hr = mod_crop(whole, scale)
    height, width = hr.shape[:2]
    least = 2 * scale + WINDOW
    size = f"{whole.shape[1]}x{whole.shape[0]}"
    if min(height, width) < least:
        raise UserError(f"HR {files.hr}: is {size}; PSNR and SSIM at x{scale} need {least} pixels a side")
    asks = f"HR {files.hr} ({size}) at x{scale} asks for"
    lr = make_lr(hr, scale) if files.lr is None else read_image(files.lr)
    _check_size(f"--lr {files.lr}", lr, width // scale, height // scale, asks)
    results = {BICUBIC: enlarge(lr, scale)}
    for name, path in files.results.items():
        results[name] = read_image(path)
        _check_size(f"{name}={path}", results[name], width, height, asks)
    return Subject(files.name, hr, results)


def scores(subject: Subject, scale: int, crop: Box | None = None) -> dict[str, Score]:
    """BasicSR's PSNR and SSIM of each result on Y of YCbCr, a border of ``scale`` pixels of the image left out.

    Grey images count as R = G = B, as everywhere (``scores.grey``).

    Args:
        subject: the image.
        scale: of the results.
        crop: only what lies inside of it, and inside of the border; None: the whole image.

    Raises:
        UserError: too little of the crop is left for SSIM.
    """
    from basicsr.metrics import calculate_psnr, calculate_ssim

    height, width = subject.hr.shape[:2]
    x, y, w, h = crop or Box(0, 0, width, height)
    left, top = max(x, scale), max(y, scale)
    counted = Box(left, top, min(x + w, width - scale) - left, min(y + h, height - scale) - top)
    if min(counted.width, counted.height) < WINDOW:
        raise UserError(
            f"--crop {crop}: SSIM needs {WINDOW}x{WINDOW} pixels inside the border of {scale} of {subject.name}: "
            "choose a larger crop, or --score image"
        )
    hr, metrics = counted.of(subject.hr), (calculate_psnr, calculate_ssim)
    return {
        name: Score(*(float(metric(counted.of(image), hr, 0, test_y_channel=True)) for metric in metrics))
        for name, image in subject.results.items()
    }


def marks(found: Mapping[str, Score]) -> dict[str, str]:
    """``best`` for the highest PSNR, ``second`` for the next, else nothing, by name.

    PSNR counts as printed, with two digits: what a reader cannot tell apart shares a mark. One result alone is no best,
    and of two none is a second.
    """
    printed = {name: round(score.psnr, 2) for name, score in found.items()}
    ranking = sorted(set(printed.values()), reverse=True)
    mark = {psnr: "second" for psnr in ranking[1:2] if len(found) > 2} | {ranking[0]: "best" if len(found) > 1 else ""}
    return {name: mark.get(psnr, "") for name, psnr in printed.items()}


def most_different(subject: Subject, scale: int, side: int) -> Box:
    """The square in which the results, bicubic interpolation among them, differ most from one another.

    That is where the variance over the results, summed over pixels and channels, is largest; of equal squares the
    topmost counts, then the leftmost. Bicubic interpolation alone is compared with HR. Squares lie inside the border
    that scores leave out.

    Args:
        subject: the image.
        scale: of the results.
        side: of the square; as much of it as the image has room for.
    """
    images = list(subject.results.values())
    if len(images) == 1:
        images.append(subject.hr)
    total = squares = np.zeros(1, np.int64)
    for image in images:
        inner = image[scale:-scale, scale:-scale].astype(np.int64)
        total, squares = total + inner, squares + inner**2
    spread = (len(images) * squares - total**2).sum(axis=2)  # whole numbers: ties are ties on every machine
    side = min(side, *spread.shape)
    sums = np.pad(spread, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return Box(int(x) + scale, int(y) + scale, side, side)


def _check_size(what: str, image: Image, width: int, height: int, asks: str) -> None:
    if image.shape[:2] != (height, width):
        raise UserError(f"{what}: is {image.shape[1]}x{image.shape[0]}, but {asks} {width}x{height}; see --scale")
