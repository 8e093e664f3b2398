"""How good plain bicubic is: the figure that shows whether a benchmark's files are the right ones."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ssiu_arch.data.images import Image
from ssiu_arch.data.resize import imresize

Pair = tuple[Image, Image]  # HR and LR, (H, W, 3) and (h, w, 3), BGR

# PSNR (dB) and SSIM of MATLAB's bicubic from the 8-bit LR files of the EDSR layout, on Y, border = scale.
BICUBIC = {
    ("Set5", 2): (33.678, 0.9304),
    ("Set5", 3): (30.404, 0.8690),
    ("Set5", 4): (28.431, 0.8113),
    ("Set14", 2): (30.327, 0.8700),
    ("Set14", 3): (27.632, 0.7760),
    ("Set14", 4): (26.090, 0.7049),
    ("B100", 2): (29.555, 0.8434),
    ("B100", 3): (27.203, 0.7389),
    ("B100", 4): (25.956, 0.6680),
    ("Urban100", 2): (26.872, 0.8405),
    ("Urban100", 3): (24.456, 0.7352),
    ("Urban100", 4): (23.138, 0.6580),
    ("Manga109", 2): (30.820, 0.9350),
    ("Manga109", 3): (26.953, 0.8566),
    ("Manga109", 4): (24.897, 0.7877),
}


def enlarge(lr: Image, scale: int) -> Image:
    """``lr`` (h, w, 3), uint8, enlarged by MATLAB's bicubic to (scale h, scale w, 3), rounded once, at the end."""
    return np.floor(imresize(lr.astype(np.float64), scale).clip(0, 255) + 0.5).astype(np.uint8)


def bicubic_scores(pairs: Iterable[Pair], scale: int) -> tuple[float, float]:
    """Mean PSNR (dB) and SSIM of MATLAB's bicubic over pairs, as ``mean_scores`` has them."""
    psnr, ssim = mean_scores(pairs, scale, lambda lr: enlarge(lr, scale))
    return psnr, ssim


def mean_scores(
    pairs: Iterable[Pair], scale: int, enlarged_by: Callable[[Image], Image], names: Sequence[str] = ("psnr", "ssim")
) -> list[float]:
    """Mean PSNR (dB) and SSIM, or which is named, of what enlarges LR images: BasicSR's, on Y, border ``scale``.

    Imports BasicSR (which ``import ssiu_arch`` has repaired), and torch with it: several seconds.
    """
    from basicsr.metrics import calculate_psnr, calculate_ssim

    metrics = [{"psnr": calculate_psnr, "ssim": calculate_ssim}[name] for name in names]
    scores = []
    for hr, lr in pairs:
        enlarged = enlarged_by(lr)
        reference = hr[: enlarged.shape[0], : enlarged.shape[1]]
        scores.append([metric(enlarged, reference, scale, test_y_channel=True) for metric in metrics])
    return [float(mean) for mean in np.mean(scores, axis=0)]
