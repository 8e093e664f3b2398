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

    def _ssim(img: Any, img2: Any) -> Any:
        """SSIM of one channel, (H, W), inside ``crop_border``."""
        check_size(img.shape)
        return arrays(img, img2)

    def _ssim_pth(img: Any, img2: Any) -> Any:
        """SSIM of images (B, C, H, W), inside ``crop_border``."""
        check_size(img.shape[2:])
        return tensors(img, img2)

    return [_ssim, _ssim_pth]


def check_size(size: tuple[int, int]) -> None:
    """Raise ``UserError`` if an image of this height and width is smaller than the window."""
    if min(size) < WINDOW:
        raise UserError(
            f"SSIM needs {WINDOW}x{WINDOW} pixels inside crop_border, the image has {size[0]}x{size[1]}: remove it "
            "from the set, or lower crop_border"
        )
