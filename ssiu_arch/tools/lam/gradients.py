"""The three parts of LAM: the edge detector D, the blur path gamma, and gradients integrated along the path."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad
from tqdm import tqdm

SIGMA = 1.2  # LR pixels: of the blur at the start of LAM's path, as in the authors' demonstration code
KERNEL = 9  # its width in LR pixels, as there


class Patch(NamedTuple):
    """A square of the result: x and y of its top left pixel, and its side, in pixels of the result."""

    x: int
    y: int
    side: int


def detail(result: Tensor, patch: Patch) -> Tensor:
    """LAM's detector D: the sum of gradient magnitudes in a patch.

    The gradient at a pixel is its difference from the one below and the one to the right; these may lie just outside
    the patch. The last row and column of the result have none. The derivative of a zero magnitude is 0.

    Args:
        result: ``(B, C, H, W)``.
        patch: inside it.

    Returns:
        ``(B,)``: sums over channels and pixels.
    """
    x, y, side = patch
    seen = result[:, :, y : y + side + 1, x : x + side + 1]
    down = seen[:, :, 1:, :-1] - seen[:, :, :-1, :-1]
    right = seen[:, :, :-1, 1:] - seen[:, :, :-1, :-1]
    magnitude = torch.linalg.vector_norm(torch.stack([down, right]), dim=0)  # its derivative at 0 is 0, not NaN
    return magnitude.sum(dim=(1, 2, 3))


def blurred(image: Tensor, sigma: float, kernel: int) -> Tensor:
    """``image`` after a Gaussian blur; the image itself if ``sigma`` is 0.

    Args:
        image: ``(C, h, w)``, its sides longer than half of ``kernel``; mirrored at its borders.
        sigma: standard deviation of the Gaussian in pixels.
        kernel: width in pixels, odd, to which the Gaussian is cut and normalised.
    """
    if sigma == 0:
        return image
    reach = kernel // 2
    offsets = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    rows = conv2d(pad(image[:, None], (0, 0, reach, reach), "reflect"), weights[None, None, :, None])
    return conv2d(pad(rows, (reach, reach, 0, 0), "reflect"), weights[None, None, None, :])[:, 0]


def integrated_gradients(
    objective: Callable[[Tensor], Tensor], path: Callable[[float], Tensor], *, steps: int, label: str | None = None
) -> Tensor:
    """Integrate the gradients of an objective along a path that ends at an image.

    With D the objective and gamma the path, value i contributes the integral over alpha from 0 to 1 of
    ``dD(gamma)/dgamma_i * dgamma_i/dalpha``, computed by the midpoint rule in ``n`` steps::

        sum_k  dD/dgamma_i (gamma((k - 1/2)/n))  *  (gamma_i(k/n) - gamma_i((k - 1)/n)),    k = 1 .. n

    The contributions add up to ``D(gamma(1)) - D(gamma(0))``, up to the error of the rule.

    Args:
        objective: D, ``(1, C, h, w)`` to ``(1,)``.
        path: gamma, alpha in [0, 1] to ``(C, h, w)``; its type is that of the sum.
        steps: n.
        label: of the progress bar, which is shown on terminals only.

    Returns:
        ``(C, h, w)``.

    Raises:
        ValueError: the objective has no gradient.
    """
    start = path(0.0)
    total = torch.zeros_like(start)
    for k in tqdm(range(steps), label, leave=False, disable=None):
        point = path((k + 0.5) / steps)[None].requires_grad_()
        value = objective(point).sum()
        if not value.requires_grad:
            raise ValueError("the objective has no gradient")
        (gradient,) = torch.autograd.grad(value, point)
        end = path((k + 1) / steps)
        total += gradient[0] * (end - start)
        start = end
    return total
