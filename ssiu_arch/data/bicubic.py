"""MATLAB's bicubic interpolation as the baseline: its images, its scores, and the known scores of benchmarks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ssiu_arch.data.images import Image
from ssiu_arch.data.resize import imresize

# PSNR (dB) and SSIM of MATLAB's bicubic from the 8-bit LR files of the EDSR layout, on Y, crop border = scale.
_KNOWN = {  # at x2, x3, x4
    "Set5": [(33.678, 0.9304), (30.404, 0.8690), (28.431, 0.8113)],
    "Set14": [(30.327, 0.8700), (27.632, 0.7759), (26.090, 0.7049)],
    "B100": [(29.555, 0.8434), (27.203, 0.7389), (25.956, 0.6680)],
    "Urban100": [(26.872, 0.8405), (24.456, 0.7352), (23.138, 0.6580)],
    "Manga109": [(30.820, 0.9350), (26.953, 0.8566), (24.897, 0.7877)],
}
BICUBIC = {(name, 2 + i): scores for name, row in _KNOWN.items() for i, scores in enumerate(row)}


def enlarge(lr: Image, scale: int) -> Image:
    """``lr`` (h, w, 3), uint8, enlarged by MATLAB's bicubic to (scale h, scale w, 3), rounded once, at the end."""
    return np.floor(imresize(lr.astype(np.float64), scale).clip(0, 255) + 0.5).astype(np.uint8)


def bicubic_baseline(model: Any, loader: Any) -> dict[str, list[float]]:
    """Scores of bicubic interpolation on a validation set, per image, by metric of ``val.metrics``; logs the means.

    ``model`` and ``loader`` are BasicSR's. The scores are measured once and kept in ``model.bicubic_scores``; there are
    none without GT, or if the size of GT is not a multiple of that of LQ.
    """
    from basicsr.metrics import calculate_metric
    from basicsr.utils import get_root_logger

    name, metrics = loader.dataset.opt["name"], model.opt["val"]["metrics"]
    measured = model.__dict__.setdefault("bicubic_scores", {})
    if name in measured:
        return measured[name]
    measured[name] = {}
    scores: dict[str, list[float]] = {metric: [] for metric in metrics}
    for pair in tqdm(loader, f"Bicubic {name}", unit="image", leave=False, disable=not sys.stderr.isatty()):
        if not is_enlargeable(pair):
            if "gt" in pair:
                reason = "not measured, the size of GT is not a multiple of that of LQ"
                get_root_logger().info(f"Bicubic interpolation on {name}: {reason}")
            return {}
        made: dict[bool, dict[str, NDArray[Any]]] = {}
        for metric, options in metrics.items():
            as_float = bool(options.get("float_output"))
            made[as_float] = made.get(as_float) or bicubic_images(pair, as_float)
            with failure_named(metric, options, f"bicubic interpolation of {image_name(pair)} of {name}"):
                scores[metric].append(calculate_metric(made[as_float], options))
    lines = "".join(f"\t # {metric}: {fmean(column):.4f}\n" for metric, column in scores.items())
    get_root_logger().info(f"Bicubic interpolation on {name}\n{lines}")
    measured[name] = scores
    return scores


@contextmanager
def failure_named(metric: str, options: dict[str, Any], where: str) -> Iterator[None]:
    """Log on which image a metric fails. It may be the user's own, so its error and traceback stay."""
    from basicsr.utils import get_root_logger

    try:
        yield
    except Exception:
        get_root_logger().error(f"val.metrics.{metric} ({options['type']}) failed on {where}")
        raise


def image_name(pair: dict[str, Any]) -> str:
    """File name without extension, or LMDB key, of a loader's item: GT's, or LQ's if there is no GT."""
    path = pair.get("gt_path") or pair.get("lq_path") or [""]
    return Path(path if isinstance(path, str) else path[0]).stem


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
