"""Paths from a baseline to an image, along which gradients are integrated."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

Path = Callable[[float], Tensor]  # alpha in [0, 1] to (C, h, w): 0 the baseline, 1 the image


def blur_path(image: Tensor, *, sigma: float, kernel: int) -> Path:
    """The progressive blur of LAM (its path function): ``gamma(alpha) = omega(sigma - alpha sigma) * I``.

    Args:
        image: I, ``(C, h, w)``; its sides are longer than half of ``kernel``.
        sigma: standard deviation of the Gaussian ``omega`` at the baseline, in pixels.
        kernel: width of ``omega`` in pixels, odd. It is cut off there and sums to 1; images are mirrored at borders.
    """
    return lambda alpha: blurred(image, sigma - alpha * sigma, kernel)


def straight_path(baseline: Tensor, image: Tensor) -> Path:
    """The path of integrated gradients (Sundararajan et al., ICML 2017): from one ``(C, h, w)`` straight to another."""
    return lambda alpha: baseline + alpha * (image - baseline)


def blurred(image: Tensor, sigma: float, kernel: int) -> Tensor:
    """``image`` (C, h, w) after a Gaussian of ``sigma`` pixels, cut to ``kernel`` pixels; itself if ``sigma`` is 0."""
    if sigma == 0:
        return image
    reach = kernel // 2
    offsets = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    rows = conv2d(pad(image[:, None], (0, 0, reach, reach), "reflect"), weights[None, None, :, None])
    return conv2d(pad(rows, (reach, reach, 0, 0), "reflect"), weights[None, None, None, :])[:, 0]
