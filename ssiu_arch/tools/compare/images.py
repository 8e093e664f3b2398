"""What is compared: HR, bicubic interpolation and the results of several networks, with their scores."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssiu_arch.data.bicubic import enlarge
from ssiu_arch.data.images import Image, list_images, read_image
from ssiu_arch.data.resize import imresize, mod_crop
from ssiu_arch.utils.errors import UserError

WINDOW = 11  # side of the window of BasicSR's SSIM, in pixels


class Files(NamedTuple):
    """The files of one image: HR, and by the network's name its result."""

    hr: Path
    results: dict[str, Path]


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


class Subject(NamedTuple):
    """HR and the results made from its LR: all of one size, (H, W, 3), BGR, uint8.

    Attributes:
        name: of the image.
        hr: cropped to multiples of the scale.
        results: by name, bicubic interpolation first.
    """

    name: str
    hr: Image
    results: dict[str, Image]


def find(
    hr: Path, results: Mapping[str, Path], images: Sequence[str], scale: int
) -> tuple[list[Files], dict[str, list[str]]]:
    """Match the files of each result to the HR images.

    A file matches an HR image by its stem: the HR stem, alone or followed by ``x4`` (the scale), or either of these
    followed by ``_`` and anything. So ``baby.png`` matches ``baby.png``, ``babyx4.png``,
    ``baby_SSIU.png`` and ``babyx4_test_SSIU_x4.png`` (``basicsr test``). If several HR stems match, the longest wins.
    Folders are searched recursively, except HR's.

    Args:
        hr: an image file or a folder.
        results: a file or a folder by the name of the network.
        images: the HR stems to use; empty: all.
        scale: of the results.

    Returns:
        The images that have all files, in the order of ``images`` or of the HR names; and for every other image the
        networks that have no file of it.

    Raises:
        UserError: a path does not exist, several files match one image, or no image has all files.
    """
    known = _by_image(f"HR {hr}", hr, list_images(hr) if os.path.isdir(hr) else [hr], lambda stem: stem)
    if unknown := [name for name in images if name not in known]:
        raise UserError(f"--image {unknown[0]}: no image of this name in {hr}, which has {_some(known)}")
    wanted, bases = images or list(known), {base: name for name in known for base in (name, f"{name}x{scale}")}

    def image_of(stem: str) -> str:
        fitting = [name for base, name in bases.items() if stem == base or stem.startswith(f"{base}_")]
        return max(fitting, key=len, default="")  # img_1_SSIU is of img_1, not of img

    matched: dict[str, dict[str, Path]] = {}
    for network, path in results.items():
        what = f"{network}={path}"
        if os.path.isdir(path):
            files = list_images(path, recursive=True)
            matched[network] = _by_image(
                what, path, [file for file in files if image_of(file.stem) in wanted], image_of
            )
        elif os.path.isdir(hr):
            raise UserError(f"{what}: is no folder, but HR is one: give a folder here, or a file as HR")
        else:  # a single file belongs to a single HR file, whatever its name
            matched[network] = _by_image(what, path, [path], lambda stem: wanted[0])
    left_out = {name: [network for network in matched if name not in matched[network]] for name in wanted}
    left_out = {name: networks for name, networks in left_out.items() if networks}
    if len(left_out) == len(wanted) or (images and left_out):
        image, (network, *_) = next(iter(left_out.items()))
        raise UserError(f"{network}={results[network]}: no file of {image}; it has files of {_some(matched[network])}")
    complete = [name for name in wanted if name not in left_out]
    return [Files(known[name], {network: matched[network][name] for network in matched}) for name in complete], left_out


def _by_image(what: str, path: Path, files: Iterable[Path], image_of: Callable[[str], str]) -> dict[str, Path]:
    """Files by the image they are of; at least one, and one of each. ``what`` starts the messages."""
    found: dict[str, Path] = {}
    for file in files:
        if not os.path.isfile(file):  # os.path returns False where pathlib raises, as for a name that is too long
            raise UserError(f"{what}: no such file or folder")
        other = found.setdefault(image_of(file.stem), file)
        if other != file:
            names = f"{other.relative_to(path)} and {file.relative_to(path)}"
            raise UserError(f"{what}: two files are of the image {image_of(file.stem)}: {names}; keep one of them")
    if not found:
        raise UserError(f"{what}: no images in this folder, or none named like an HR image; check names and --scale")
    return found


def _some(names: Iterable[str], most: int = 3) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


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
            where = f"{files.hr.stem}, which is {width}x{height}"
            raise UserError(f"--crop {crop}: empty or outside {where}; give X Y WIDTH HEIGHT")
    results = {"Bicubic": enlarge(imresize(hr, 1 / scale), scale)}
    for name, path in files.results.items():
        results[name] = image = read_image(path)
        if image.shape != hr.shape:
            raise UserError(
                f"{name}={path}: is {image.shape[1]}x{image.shape[0]}, but HR {files.hr} ({size}) at x{scale} requires "
                f"{width}x{height}; check the file and --scale"
            )
    return Subject(files.hr.stem, hr, results)


def scores(subject: Subject, scale: int) -> dict[str, Score]:
    """PSNR and SSIM of each result by BasicSR's functions, on Y of YCbCr, without a border as wide as the scale."""
    from basicsr.metrics import calculate_psnr, calculate_ssim

    metrics = calculate_psnr, calculate_ssim
    return {
        name: Score(*(float(metric(image, subject.hr, scale, test_y_channel=True)) for metric in metrics))
        for name, image in subject.results.items()
    }


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
    stack = np.stack(images)[:, scale:-scale, scale:-scale].astype(np.int64)
    # n * sum(v^2) - sum(v)^2 is n^2 times the variance, in integers: ties are exact on every machine. The sum over
    # each square is then four values of the integral image.
    spread = (len(stack) * (stack**2).sum(axis=0) - stack.sum(axis=0) ** 2).sum(axis=2)
    side = min(side, *spread.shape)
    sums = np.pad(spread, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return Box(int(x) + scale, int(y) + scale, side, side)
