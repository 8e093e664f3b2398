"""SSIM of an image smaller than its window is nan, and the mean of a whole set with it."""

from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours
from ssiu_arch.utils.errors import UserError

WINDOW = 11


def _is_needed() -> bool:
    from basicsr.metrics import psnr_ssim

    return not is_ours(psnr_ssim._ssim)


def _apply() -> None:
    from basicsr.metrics import psnr_ssim

    arrays, tensors = psnr_ssim._ssim, psnr_ssim._ssim_pth

    def _ssim(img: Any, img2: Any) -> Any:
        """SSIM of one channel, (H, W), inside ``crop_border``."""
        check_size(img.shape)
        return arrays(img, img2)

    def _ssim_pth(img: Any, img2: Any) -> Any:
        """SSIM of images (B, C, H, W), inside ``crop_border``."""
        check_size(img.shape[2:])
        return tensors(img, img2)

    psnr_ssim._ssim, psnr_ssim._ssim_pth = _ssim, _ssim_pth


def check_size(size: tuple[int, int]) -> None:
    """Raise ``UserError`` where the window does not fit into an image of this height and width."""
    if min(size) < WINDOW:
        raise UserError(
            f"SSIM needs {WINDOW}x{WINDOW} pixels inside crop_border, here are {size[0]}x{size[1]}: leave the image "
            "out of the set, or lower crop_border"
        )


REPAIR = Repair(
    defect="SSIM of an image below 11x11 inside crop_border is nan, and so is the mean over its set",
    upstream="basicsr/metrics/psnr_ssim.py:165 and 205",
    until="BasicSR refuses such images",
    is_needed=_is_needed,
    apply=_apply,
)
