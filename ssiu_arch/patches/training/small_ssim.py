"""SSIM of an image smaller than its window is nan, and so is the mean over its whole set."""

from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.utils.errors import UserError

WINDOW = 11  # pixels


@replaces(
    "basicsr.metrics.psnr_ssim:_ssim",
    "basicsr.metrics.psnr_ssim:_ssim_pth",
    upstream="basicsr/metrics/psnr_ssim.py:165 and 205",
    is_needed=lambda arrays, tensors: "raise" not in source(arrays),
)
def patch(arrays: Function, tensors: Function) -> list[Function]:
    """SSIM of an image below 11x11 inside crop_border is nan, and so is the mean over its set."""

    def checked(ssim: Function) -> Function:
        def of_large_images(img: Any, img2: Any) -> Any:
            """SSIM inside ``crop_border`` of a channel (H, W), or of images (B, C, H, W)."""
            height, width = img.shape[-2:]
            if min(height, width) < WINDOW:
                raise UserError(
                    f"SSIM needs {WINDOW}x{WINDOW} pixels inside crop_border, the image has {height}x{width}: remove "
                    "it from the set, or lower crop_border"
                )
            return ssim(img, img2)

        return of_large_images

    return [checked(arrays), checked(tensors)]
