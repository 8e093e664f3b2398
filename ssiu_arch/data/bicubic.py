"""How good plain bicubic is: the figure that shows whether a benchmark's files are the right ones."""

from collections.abc import Iterable

import numpy as np

from ssiu_arch.data.images import Image
from ssiu_arch.data.resize import imresize

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


def bicubic_scores(pairs: Iterable[tuple[Image, Image]], scale: int) -> tuple[float, float]:
    """Mean PSNR (dB) and SSIM of MATLAB's bicubic over pairs of HR and LR, by BasicSR's own metrics.

    Imports BasicSR (which ``import ssiu_arch`` has repaired), and torch with it: several seconds.
    """
    from basicsr.metrics import calculate_psnr, calculate_ssim

    scores = []
    for hr, lr in pairs:
        enlarged = enlarge(lr, scale)
        reference = hr[: enlarged.shape[0], : enlarged.shape[1]]
        scores.append(
            [metric(enlarged, reference, scale, test_y_channel=True) for metric in (calculate_psnr, calculate_ssim)]
        )
    psnr, ssim = np.mean(scores, axis=0)
    return float(psnr), float(ssim)
