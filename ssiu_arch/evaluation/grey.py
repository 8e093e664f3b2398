"""Scores of greyscale images, such as Set14's ``bridge``, by their grey value.

This package scores them like all others, read as R = G = B, on Y of YCbCr, as BasicSR and most other codes do. Y spans
219 of the 255 levels of the grey value, so PSNR is 20 log10(255/219) = 1.32 dB higher than in literature that scores
the grey value. The effect on the mean of a data set is therefore measured and printed.

Greyscale means: stored with one channel. A grey picture stored as colour, Set14's ``man``, is converted to Y in that
literature, too.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from basicsr.metrics import calculate_metric
from numpy.typing import NDArray

GREY_LINE = re.compile(r"^([^.\n]+)\.\S* \(\d+,\d+,1\)", re.MULTILINE)  # key.png (h,w,1) 1
SCORED = ("calculate_psnr", "calculate_ssim")
LUMA_BGR = np.array([24.966, 128.553, 65.481]) / 219  # Y of YCbCr, spread over all 255 levels


def grey_score(
    images: dict[str, NDArray[Any]], options: dict[str, Any], gt_path: str, gt_root: str | None = None
) -> float | None:
    """The score of the grey value.

    Args:
        images: arguments of BasicSR's metrics, ``img`` and ``img2`` (GT), BGR, (H, W, 3), [0, 255].
        options: options of the metric in the option file.
        gt_path: GT's file, or its key in the LMDB ``gt_root``.
        gt_root: ``dataroot_gt`` of the option file.

    Returns:
        The metric on the luma of both images in the full range [0, 255], which is the grey value of a grey image; None
        unless GT is stored as greyscale and the metric is BasicSR's PSNR or SSIM on Y.
    """
    is_concerned = options["type"] in SCORED and options.get("test_y_channel")
    if not is_concerned or not _is_grey(images["img2"]) or not _is_stored_grey(gt_path, gt_root):
        return None
    luma = {key: images[key].astype(np.float64) @ LUMA_BGR for key in ("img", "img2")}
    return calculate_metric(luma, {**options, "test_y_channel": False})


def _is_grey(image: NDArray[Any]) -> bool:
    """Whether ``image`` has three channels (H, W, 3) that are equal everywhere."""
    is_colour = image.ndim == 3 and image.shape[2] == 3
    return is_colour and all(np.array_equal(image[..., 0], image[..., channel]) for channel in (1, 2))


def _is_stored_grey(path: str, root: str | None) -> bool:
    if str(root).endswith(".lmdb"):
        return path in _grey_keys(Path(str(root), "meta_info.txt"))
    image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    return image is not None and image.ndim == 2


@lru_cache(maxsize=16)
def _grey_keys(meta: Path) -> frozenset[str]:
    """The keys of the images of one channel in an LMDB's ``meta_info.txt``."""
    return frozenset(GREY_LINE.findall(meta.read_text(encoding="utf-8")))
