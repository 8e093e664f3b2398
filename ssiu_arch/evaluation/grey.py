"""Greyscale images among colour ones, such as Set14's ``bridge``: which score of theirs counts.

The rule: they are scored like all others, read as R = G = B, on Y of YCbCr. That is BasicSR's and most other codes'
way. Y spans 219 of the 255 levels that the grey value has, which is worth 20 log10(255/219) = 1.32 dB to such an image
against literature that scores the grey value itself; hence the effect on a set's mean is measured and printed.

Greyscale is what is stored with one channel. A grey picture stored as colour, Set14's ``man``, is turned into Y in
that literature too, and is no exception anywhere.
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
    """The score of the grey value itself, where the rule above makes a difference.

    Args:
        images: what BasicSR gives a metric, ``img`` and ``img2`` (GT), BGR, (H, W, 3), [0, 255].
        options: of the metric, as in the option file.
        gt_path: GT's file, or its key in the LMDB ``gt_root``.
        gt_root: ``dataroot_gt`` of the option file.

    Returns:
        The metric of the images' luma on the full range [0, 255], in which a grey image is its own grey value; None
        unless GT is stored as greyscale and the metric is BasicSR's PSNR or SSIM on Y.
    """
    if options["type"] not in SCORED or not options.get("test_y_channel"):
        return None
    if not _is_grey(images["img2"]) or not _is_stored_grey(gt_path, gt_root):
        return None
    luma = {key: images[key].astype(np.float64) @ LUMA_BGR for key in ("img", "img2")}
    return calculate_metric(luma, {**options, "test_y_channel": False})


def _is_grey(image: NDArray[Any]) -> bool:
    """Whether ``image`` is one of three channels (H, W, 3), which are equal everywhere."""
    if image.ndim != 3 or image.shape[2] != 3:
        return False
    first = image[..., 0]
    return bool(np.array_equal(first, image[..., 1]) and np.array_equal(first, image[..., 2]))


def _is_stored_grey(path: str, root: str | None) -> bool:
    if str(root).endswith(".lmdb"):
        return path in _grey_keys(Path(str(root), "meta_info.txt"))
    image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    return image is not None and image.ndim == 2


@lru_cache(maxsize=16)
def _grey_keys(meta: Path) -> frozenset[str]:
    """The keys of the images of one channel in an LMDB's ``meta_info.txt``."""
    return frozenset(GREY_LINE.findall(meta.read_text(encoding="utf-8")))
