"""Why an image is not the one it should be: from HR, LR and what is known of the published image.

Each function returns a reason in words that several images can share, such as ``grey``.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from PIL.Image import Resampling, fromarray

from ssiu_arch.data.images import Image
from ssiu_arch.data.known_sets import DIGITS, KnownImage, core, pixel_digest
from ssiu_arch.data.resize import mod_crop
from ssiu_arch.data.sub_images import make_lr

UNDO: dict[str, Callable[[Image], Image]] = {  # what was done to an image, and how to undo it
    "red and blue are swapped": lambda image: image[..., ::-1],
    "mirrored left to right": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1],
    "turned by 180 degrees": lambda image: image[::-1, ::-1],
    "turned by 90 degrees to the left": lambda image: np.rot90(image, -1),
    "turned by 90 degrees to the right": lambda image: np.rot90(image),
    "transposed": lambda image: image.swapaxes(0, 1),
    "inverted": lambda image: 255 - image,
    "other pixels near the border only": lambda image: image,
}
SHIFTS: dict[str, Callable[[Image], Image]] = {
    f"shifted by {right} pixels to the right and {down} down": partial(np.roll, shift=(-down, -right), axis=(0, 1))
    for down in (0, -1, 1, -2, 2)
    for right in (0, -1, 1, -2, 2)
    if down or right
}
SAME_PICTURE = 20.0  # PSNR (dB) below which LR shows another picture than HR
EXACT = 0.05  # mean difference of an image from what made it
JPEG = 0.15  # ``jpeg_traces`` of an image that was JPEG
OPENCV = {  # interpolations, none of which but the area average antialiases
    "bicubic": cv2.INTER_CUBIC,
    "bilinear": cv2.INTER_LINEAR,
    "Lanczos": cv2.INTER_LANCZOS4,
    "area average": cv2.INTER_AREA,
    "nearest neighbour": cv2.INTER_NEAREST,
}


def is_grey(image: Image) -> bool:
    """Whether the three channels of ``image`` are equal everywhere."""
    return bool((image == image[..., :1]).all())


def what_was_done(image: Image, is_right: Callable[[Image], bool]) -> str | None:
    """The change in ``UNDO`` or ``SHIFTS`` that, undone, gives an image whose ``core`` ``is_right``; None: another."""
    changes = {**UNDO, **SHIFTS}
    return next((what for what in changes if is_right(np.ascontiguousarray(core(changes[what](image))))), None)


def jpeg_traces(image: Image) -> float:
    """How much more often high frequencies vanish in the 8x8 blocks of JPEG than in shifted ones.

    Below 0.03 for an image that was never JPEG; 0.2 to 0.7 at the qualities 95 to 50.
    """
    # JPEG stores each 8x8 block as quantised DCT coefficients, and the high ones become exactly zero. After decoding
    # and rounding to 8 bit they are still near zero, but only on JPEG's own grid: in blocks shifted by 4 pixels an
    # edge between two JPEG blocks lies in the middle and brings them back. A smooth image has small coefficients on
    # both grids, so the difference tells one from the other.
    i = np.arange(8)
    dct = np.sqrt(2 / 8) * np.cos(np.pi * (2 * i + 1) * i[:, None] / 16)  # orthonormal DCT-II, (frequency, pixel)
    dct[0] /= np.sqrt(2)
    high = i + i[:, None] >= 7
    shares = []
    for offset in (0, 4):
        luma = image[offset:, offset:].astype(np.float64) @ [0.114, 0.587, 0.299]
        height, width = (side // 8 for side in luma.shape)
        if not height or not width:
            return 0.0
        blocks = luma[: 8 * height, : 8 * width].reshape(height, 8, width, 8).swapaxes(1, 2)
        shares.append(float((abs((dct @ blocks @ dct.T)[..., high]) < 0.6).mean()))
    return shares[0] - shares[1]


def hr_fault(hr: Image, lr: Image | None, scale: int, known: KnownImage) -> str:
    """Why ``hr`` is not the published image ``known``; ``lr`` is its published LR image at ``scale``, if at hand."""
    size, wanted = (hr.shape[1], hr.shape[0]), (known.width, known.height)
    if what := what_was_done(hr, lambda inner: pixel_digest(inner)[:DIGITS] == known.core):
        return what
    if size != wanted:
        return size_fault(size, wanted)
    if is_grey(hr) and len(set(known.colour)) > 1:
        return "grey, the published ones are in colour"
    tint = float(abs(hr.mean((0, 1))[::-1] - known.colour).max())
    contrast = float(abs(np.diff(hr.astype(float), axis=1)).mean()) / known.contrast
    is_other = lr is not None and cv2.PSNR(make_lr(hr, scale), lr) < SAME_PICTURE
    if is_other or tint > 25 or not 0.1 < contrast < 5:
        return "another picture"
    if tint > 0.6:
        return "brighter, darker or of another tint"
    if jpeg_traces(hr) > max(JPEG, known.jpeg + 0.004):  # another decoder lowers those of a JPEG, JPEG raises them
        return "traces of JPEG: saved with loss"
    if contrast < 0.93:
        return "less detail: smoothed, or enlarged from a smaller image"
    if contrast > 1.07:
        return "more detail: sharpened or noisy"
    return "pixels off by one or so: another decoder, or a colour conversion and back"


def size_fault(size: tuple[int, int], wanted: tuple[int, int]) -> str:
    """Why an image has the width and height ``size`` instead of ``wanted``."""
    for multiple in (12, 16, 8, 4, 3, 2):
        if size == (wanted[0] // multiple * multiple, wanted[1] // multiple * multiple):
            return f"cropped to multiples of {multiple}" + (" (BasicSR's GTmod12)" if multiple == 12 else "")
    for factor in (2, 3, 4):
        if size == (wanted[0] // factor, wanted[1] // factor):
            return f"has the size of LR x{factor}: LR in place of HR"
    return f"{size[0]}x{size[1]} instead of {wanted[0]}x{wanted[1]}"


def lr_fault(hr: Image, lr: Image, scale: int) -> tuple[str, bool]:
    """Why ``lr`` is not MATLAB's bicubic of ``hr``, and whether it is at least ``hr`` resized in another way."""
    if lr.shape[:2] != (hr.shape[0] // scale, hr.shape[1] // scale):
        return _lr_size_fault(hr, lr, scale), False
    expected = make_lr(hr, scale)
    if what := what_was_done(lr, lambda inner: np.array_equal(inner, core(expected))):
        return what, False
    if is_grey(lr) != is_grey(hr):
        return "grey, HR is in colour" if is_grey(lr) else "in colour, HR is grey", False
    name, error = resized_by(hr, lr, scale)
    if error <= EXACT:
        return f"made by {name}, not by MATLAB's bicubic", True
    if cv2.PSNR(expected, lr) < SAME_PICTURE:
        return "does not show what HR shows", False
    distance = abs(core(expected).astype(float) - core(lr))  # ports treat the border in other ways
    if np.quantile(distance, 0.99) <= 1 and distance.mean() < 0.7:
        return "off by one from MATLAB's bicubic: other rounding, or HR from another decoder", True
    if jpeg_traces(lr) > JPEG:
        return "not MATLAB's bicubic of HR: traces of JPEG, saved with loss", True
    like = f" (most like {name})" if error < min(1, distance.mean() / 2) else ""
    return f"not made by MATLAB's bicubic from these HR images{like}", True


def _lr_size_fault(hr: Image, lr: Image, scale: int) -> str:
    """Why ``lr`` has another size than ``hr`` over ``scale``."""
    (height, width), size = hr.shape[:2], (lr.shape[1], lr.shape[0])
    if size in ((width, height), (width // scale * scale, height // scale * scale)):
        return "HR in place of LR" if np.array_equal(lr, hr) else "enlarged to the size of HR"
    if size[0] > width:
        return "larger than HR: LR in place of HR"
    for other in (2, 3, 4, 8):
        if size == (width // other, height // other):
            return f"x{other} files in place of x{scale}"
    if size == (width // 12 * 12 // scale, height // 12 * 12 // scale):
        return "made from HR cropped to multiples of 12 (BasicSR's GTmod12)"
    if width % 12 == height % 12 == 0 and 0 <= size[0] * scale - width < 12 and 0 <= size[1] * scale - height < 12:
        return "made from larger HR; these are cropped to multiples of 12 (BasicSR's GTmod12)"
    if size[::-1] == (width // scale, height // scale):
        return "turned by 90 degrees"
    return f"{size[0]}x{size[1]} is not 1/{scale} of HR ({width}x{height})"


def resized_by(hr: Image, lr: Image, scale: int) -> tuple[str, float]:
    """The ways of resizing ``hr`` that come nearest to ``lr``, and their mean difference."""
    size = lr.shape[1], lr.shape[0]
    blurred = cv2.GaussianBlur(hr, (7, 7), 1.6)[: scale * size[1] : scale, : scale * size[0] : scale]
    made = [("a Gaussian blur and subsampling (BD)", blurred)]
    for image in (hr, mod_crop(hr, scale)):
        made += [(f"OpenCV's {name}", cv2.resize(image, size, interpolation=flag)) for name, flag in OPENCV.items()]
        made += [(f"Pillow's {flag.name.lower()}", fromarray(image).resize(size, flag)) for flag in Resampling]
    errors = [(name, float(abs(np.asarray(image, float) - lr).mean())) for name, image in made]
    least = min(error for _, error in errors)
    return " or ".join(dict.fromkeys(name for name, error in errors if error == least)), least
