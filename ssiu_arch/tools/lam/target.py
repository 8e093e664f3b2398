"""The part of an image that is attributed, and the patch in its result."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ssiu_arch.data.resize import imresize, mod_crop
from ssiu_arch.tools.lam.gradients import KERNEL, Patch
from ssiu_arch.utils.errors import UserError

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Target:
    """What all networks of a run see.

    Attributes:
        lr: the crop they see, (h, w, 3), RGB.
        hr: the same crop of the HR image, (s*h, s*w, 3), or None.
        scale: s.
        crop: x and y of its top left pixel, width and height, in the LR image.
        patch: in the result of the crop.
    """

    lr: Image
    hr: Image | None
    scale: int
    crop: tuple[int, int, int, int]
    patch: Patch

    @property
    def patch_of_whole(self) -> Patch:
        """The patch in the result of the whole image."""
        return Patch(
            self.patch.x + self.scale * self.crop[0], self.patch.y + self.scale * self.crop[1], self.patch.side
        )


def target(image: Image, *, is_hr: bool, scale: int, at: tuple[int, int] | None, patch: int, crop: int) -> Target:
    """Crop an image around a patch of its result.

    Args:
        image: (H, W, 3), RGB: the LR image, or with ``is_hr`` the HR image, downscaled like MATLAB's imresize.
        is_hr: see ``image``.
        scale: of the networks.
        at: x and y of the patch's top left pixel in the result of the whole image; None: the centre.
        patch: side of the patch, in pixels of the result.
        crop: side of the crop in LR pixels; smaller images are used whole.

    Raises:
        UserError: the patch is outside the result or larger than the crop, or the image is too small for the blur.
    """
    height, width = (side // (scale if is_hr else 1) for side in image.shape[:2])
    result = f"the result, which is {scale * width}x{scale * height}"
    if patch > scale * min(width, height):
        raise UserError(f"--patch {patch}: larger than {result}")
    x, y = at or ((scale * width - patch) // 2, (scale * height - patch) // 2)
    if x + patch > scale * width or y + patch > scale * height:
        raise UserError(f"--at {x} {y}: a patch of {patch}x{patch} here is not inside {result}")
    if min(width, height, crop) <= KERNEL // 2:
        size = f"{min(width, crop)}x{min(height, crop)} LR pixels"
        raise UserError(f"the input is {size}, but the blur needs {KERNEL // 2 + 1}: give a larger image or --crop")
    (left, w), (top, h) = _span(x, patch, scale, width, crop), _span(y, patch, scale, height, crop)
    inside, lr, hr = Patch(x - scale * left, y - scale * top, patch), image, None
    if is_hr:
        whole = mod_crop(image, scale)
        lr, hr = imresize(whole, 1 / scale), whole[scale * top : scale * (top + h), scale * left : scale * (left + w)]
    return Target(lr[top : top + h, left : left + w], hr, scale, (left, top, w, h), inside)


def _span(start: int, patch: int, scale: int, length: int, crop: int) -> tuple[int, int]:
    """First pixel and length of a crop along one axis, the patch in its middle as far as the image allows."""
    first, end = start // scale, ceil((start + patch) / scale)  # LR pixels under the patch
    size = min(crop, length)
    if end - first > size:
        raise UserError(f"--crop {crop}: smaller than the patch, which covers {end - first} LR pixels")
    middle = (first + end - size) // 2
    return max(0, min(middle, length - size)), size
