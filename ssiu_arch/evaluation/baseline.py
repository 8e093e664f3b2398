"""Bicubic interpolation, the score every super-resolution network has to beat."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from basicsr.metrics import calculate_metric
from basicsr.utils import get_root_logger, tensor2img
from numpy.typing import NDArray

from ssiu_arch.data.bicubic import enlarge
from ssiu_arch.data.resize import imresize

Image = NDArray[Any]


def bicubic_metrics(loader: Iterable[dict[str, Any]], metrics: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Mean scores of MATLAB's bicubic interpolation over a validation set.

    Args:
        loader: gives ``lq`` (1, 3, h, w) and ``gt`` (1, 3, s*h, s*w), range [0, 1], as BasicSR's for validation does.
        metrics: ``val.metrics`` of the option file.

    Returns:
        The mean score by metric name, the images rounded to 8 bit as BasicSR scores a network's.
    """
    totals = dict.fromkeys(metrics, 0.0)
    count = 0
    for pair in loader:
        images = bicubic_images(pair)
        for name, options in metrics.items():
            totals[name] += calculate_metric(images, options)
        count += 1
    return {name: total / max(count, 1) for name, total in totals.items()}


def bicubic_images(pair: dict[str, Any], as_float: bool = False) -> dict[str, Image]:
    """``img``, the LQ image of ``pair`` enlarged to GT's size, and ``img2``, GT, as BasicSR hands them to a metric.

    Args:
        pair: ``lq`` (1, 3, h, w) and ``gt`` (1, 3, s*h, s*w), range [0, 1].
        as_float: leave ``img`` as MATLAB's bicubic of doubles, neither clamped nor rounded.

    Returns:
        BGR images (s*h, s*w, 3) in [0, 255]; uint8, rounded once, but for ``as_float``.
    """
    low, high = tensor2img([pair["lq"]]), tensor2img([pair["gt"]])
    scale = high.shape[0] // low.shape[0]
    return {"img": imresize(low.astype(np.float64), scale) if as_float else enlarge(low, scale), "img2": high}


def is_enlargeable(pair: dict[str, Any]) -> bool:
    """Whether ``pair`` holds one LQ image and a GT image that is a whole number of times, at least twice, as large."""
    lq, gt = (tuple(getattr(pair.get(key), "shape", ())) for key in ("lq", "gt"))
    if len(lq) != 4 or len(gt) != 4 or lq[0] != 1:
        return False
    scale = gt[2] // lq[2]
    return scale >= 2 and (gt[2], gt[3]) == (scale * lq[2], scale * lq[3])


def log_bicubic(name: str, scores: dict[str, float]) -> None:
    """Log the scores of a set as BasicSR logs a network's."""
    lines = "".join(f"\t # {metric}: {value:.4f}\n" for metric, value in scores.items())
    get_root_logger().info(f"Bicubic interpolation on {name}\n{lines}")
