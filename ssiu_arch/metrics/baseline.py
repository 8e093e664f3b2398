"""Bicubic interpolation, the score every super-resolution network has to beat."""

from collections.abc import Iterable
from typing import Any

from basicsr.metrics import calculate_metric
from basicsr.utils import tensor2img

from ssiu_arch.data.resize import imresize


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
        low, high = tensor2img([pair["lq"]]), tensor2img([pair["gt"]])
        images = {"img": imresize(low, high.shape[0] // low.shape[0]), "img2": high}
        for name, options in metrics.items():
            totals[name] += calculate_metric(images, options)
        count += 1
    return {name: total / max(count, 1) for name, total in totals.items()}
