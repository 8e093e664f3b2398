"""MATLAB's bicubic interpolation as the baseline: its images, its scores, and the known scores of benchmarks."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssiu_arch.data.images import Image, Pair
from ssiu_arch.data.resize import imresize

Metrics = dict[str, dict[str, Any]]  # ``val.metrics`` of an option file: options by name

# PSNR (dB) and SSIM of MATLAB's bicubic from the 8-bit LR files of the EDSR layout, on Y, crop border = scale.
_KNOWN = {  # at x2, x3, x4
    "Set5": [(33.678, 0.9304), (30.404, 0.8690), (28.431, 0.8113)],
    "Set14": [(30.327, 0.8700), (27.632, 0.7759), (26.090, 0.7049)],
    "B100": [(29.555, 0.8434), (27.203, 0.7389), (25.956, 0.6680)],
    "Urban100": [(26.872, 0.8405), (24.456, 0.7352), (23.138, 0.6580)],
    "Manga109": [(30.820, 0.9350), (26.953, 0.8566), (24.897, 0.7877)],
}
_KNOWN_PUBLISHED = {  # the same by the paper's protocol: the metrics of ``ssiu_arch.metrics.published``, float output
    "Set5": [(33.683, 0.9320), (30.405, 0.8715), (28.431, 0.8149)],
    "Set14": [(30.324, 0.8719), (27.630, 0.7787), (26.088, 0.7087)],
}
BICUBIC, PUBLISHED_BICUBIC = (
    {(name, scale): scores for name, row in table.items() for scale, scores in zip((2, 3, 4), row, strict=True)}
    for table in (_KNOWN, _KNOWN_PUBLISHED)
)


def enlarge(lr: Image, scale: int) -> Image:
    """``lr`` (h, w, 3), uint8, enlarged by MATLAB's bicubic to (scale h, scale w, 3), rounded once, at the end."""
    return np.floor(imresize(lr.astype(np.float64), scale).clip(0, 255) + 0.5).astype(np.uint8)


def bicubic_scores(pairs: Iterable[Pair], scale: int) -> tuple[float, float]:
    """Mean PSNR (dB) and SSIM of bicubic interpolation over pairs; see ``mean_scores``."""
    psnr, ssim = mean_scores(pairs, scale, lambda lr: enlarge(lr, scale))
    return psnr, ssim


def mean_scores(
    pairs: Iterable[Pair], scale: int, enlarged_by: Callable[[Image], Image], names: Sequence[str] = ("psnr", "ssim")
) -> list[float]:
    """Mean scores of an upscaler over pairs: BasicSR's metrics on Y, crop border ``scale``.

    HR is cropped to the size of the result. Imports BasicSR and torch, which takes seconds.

    Args:
        pairs: HR and LR.
        scale: crop border in pixels.
        enlarged_by: the upscaler, from (h, w, 3) to (scale h, scale w, 3), BGR, uint8.
        names: ``psnr`` (dB), ``ssim``.
    """
    results = ((hr, enlarged_by(lr)) for hr, lr in pairs)
    images = ({"img": result, "img2": hr[: result.shape[0], : result.shape[1]]} for hr, result in results)
    metrics = {name: {"type": f"calculate_{name}", "crop_border": scale, "test_y_channel": True} for name in names}
    return list(_means(images, metrics).values())


def bicubic_metrics(loader: Iterable[dict[str, Any]], metrics: Metrics) -> dict[str, float]:
    """Mean scores of bicubic interpolation over a validation set by metric, on 8-bit images.

    Args:
        loader: gives ``lq`` (1, 3, h, w) and ``gt`` (1, 3, s*h, s*w), range [0, 1], like BasicSR's validation loader.
        metrics: ``val.metrics`` of the option file.
    """
    return _means(map(bicubic_images, loader), metrics)


def bicubic_images(pair: dict[str, Any], as_float: bool = False) -> dict[str, NDArray[Any]]:
    """``img``, LQ enlarged to the size of GT, and ``img2``, GT, as BasicSR passes them to a metric.

    Args:
        pair: ``lq`` (1, 3, h, w) and ``gt`` (1, 3, s*h, s*w), range [0, 1].
        as_float: return ``img`` as float64, neither clamped nor rounded.

    Returns:
        BGR images (s*h, s*w, 3) in [0, 255], uint8 unless ``as_float``.
    """
    from basicsr.utils import tensor2img

    low, high = tensor2img([pair["lq"]]), tensor2img([pair["gt"]])
    scale = high.shape[0] // low.shape[0]
    return {"img": imresize(low.astype(np.float64), scale) if as_float else enlarge(low, scale), "img2": high}


def is_enlargeable(pair: dict[str, Any]) -> bool:
    """Whether ``pair`` holds one LQ image and a GT image larger by a whole factor of at least 2."""
    lq, gt = (tuple(getattr(pair.get(key), "shape", ())) for key in ("lq", "gt"))
    if len(lq) != 4 or len(gt) != 4 or lq[0] != 1:
        return False
    scale = gt[2] // lq[2]
    return scale >= 2 and (gt[2], gt[3]) == (scale * lq[2], scale * lq[3])


def log_bicubic(name: str, scores: dict[str, float]) -> None:
    """Log the scores of a data set in the format of BasicSR's validation."""
    from basicsr.utils import get_root_logger

    lines = "".join(f"\t # {metric}: {value:.4f}\n" for metric, value in scores.items())
    get_root_logger().info(f"Bicubic interpolation on {name}\n{lines}")


def _means(images: Iterable[dict[str, NDArray[Any]]], metrics: Metrics) -> dict[str, float]:
    from basicsr.metrics import calculate_metric

    scores = [[calculate_metric(pair, options) for options in metrics.values()] for pair in images]
    return {name: float(sum(row[i] for row in scores) / max(len(scores), 1)) for i, name in enumerate(metrics)}
