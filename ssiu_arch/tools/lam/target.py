"""The part of an image that is attributed, and the patch in its result."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ssiu_arch.data.resize import imresize, mod_crop
from ssiu_arch.tools.lam.objective import Patch
from ssiu_arch.utils.errors import UserError

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Target:
    """What all networks of a run are shown.

    Attributes:
        lr: the crop they see, (h, w, 3), RGB.
        hr: the same crop of the HR image, (s*h, s*w, 3), or None.
        scale: s.
        crop: of the LR image: x and y of its top left pixel, width and height.
        patch: in the result of the crop.
        patch_of_whole: in the result of the whole image.
    """

    lr: Image
    hr: Image | None
    scale: int
    crop: tuple[int, int, int, int]
    patch: Patch
    patch_of_whole: Patch


def target(
    image: Image, *, is_hr: bool, scale: int, at: tuple[int, int] | None, patch: int, crop: int, kernel: int
) -> Target:
    """The crop of an image around a patch of its result.

    Args:
        image: (H, W, 3), RGB: the LR image; with ``is_hr`` the HR image, which it is made from as by MATLAB's imresize.
        is_hr: which of them it is.
        scale: of the networks.
        at: x and y of the patch's top left pixel in the result of the whole image; None: in the middle.
        patch: its side in pixels of the result.
        crop: side of the crop in LR pixels; smaller images are taken whole.
        kernel: of the blur, which the crop must be larger than.

    Raises:
        UserError: the patch is not inside the result, or does not fit the crop, or the image is too small for the blur.
    """
    hr = mod_crop(image, scale) if is_hr else None
    if hr is not None and not hr.size:
        raise UserError(f"the image ({image.shape[1]}x{image.shape[0]}) is smaller than one LR pixel at x{scale}")
    lr = image if hr is None else imresize(hr, 1 / scale)
    height, width = lr.shape[:2]
    result = f"the result, which is {scale * width}x{scale * height}"
    if patch > scale * min(width, height):
        raise UserError(f"--patch {patch}: does not fit {result}")
    x, y = at or ((scale * width - patch) // 2, (scale * height - patch) // 2)
    if x + patch > scale * width or y + patch > scale * height:
        raise UserError(f"--at {x} {y}: a patch of {patch}x{patch} there is not inside {result}")
    if min(width, height, crop) <= kernel // 2:
        size = f"{min(width, crop)}x{min(height, crop)} LR pixels"
        raise UserError(f"{size} are too few for a blur of --kernel {kernel}: take a larger image or crop")
    (left, w), (top, h) = _span(x, patch, scale, width, crop), _span(y, patch, scale, height, crop)
    return Target(
        lr=lr[top : top + h, left : left + w],
        hr=None if hr is None else hr[scale * top : scale * (top + h), scale * left : scale * (left + w)],
        scale=scale,
        crop=(left, top, w, h),
        patch=Patch(x - scale * left, y - scale * top, patch),
        patch_of_whole=Patch(x, y, patch),
    )


def _span(start: int, patch: int, scale: int, length: int, crop: int) -> tuple[int, int]:
    """First pixel and number of pixels of a crop along one axis: the patch in its middle, but inside the image."""
    first, end = start // scale, ceil((start + patch) / scale)  # LR pixels that the patch lies on
    size = min(crop, length)
    if end - first > size:
        raise UserError(f"--crop {crop}: a patch of {patch} pixels of the result lies on {end - first} LR pixels")
    middle = (first + end - size) // 2
    return max(0, min(middle, length - size)), size
