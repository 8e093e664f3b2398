"""The local attribution map (LAM) of a network, an image and a patch of the result.

It has three parts: the edge detector D, the blur path gamma, and the gradients of D integrated along gamma.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, pad
from tqdm import tqdm

from ssiu_arch.inference.precision import tf32
from ssiu_arch.tools.lam.inputs import KERNEL, Network, Patch
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import is_out_of_memory

SIGMA = 1.2  # LR pixels: of the blur at the start of the path, as in the authors' demonstration code
THRESHOLD = 0.01  # of the largest contribution: pixels above it belong to the contribution area
ROUNDING = 1e-6  # smallest relative change of D that float32 resolves


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


def blurred(image: Tensor, sigma: float, kernel: int = KERNEL) -> Tensor:
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
    """
    start = path(0.0)
    total = torch.zeros_like(start)
    for k in tqdm(range(steps), label, leave=False, disable=None):
        # The gradient is taken in the middle of a step, where the authors' code takes it at the end: the error then
        # falls with the square of the number of steps. The step itself goes from end to end, so that a path which is
        # not straight, as the blur, is followed exactly and the sum still telescopes to D(image) - D(blurred image).
        point = path((k + 0.5) / steps)[None].requires_grad_()
        (gradient,) = torch.autograd.grad(objective(point).sum(), point)
        end = path((k + 1) / steps)
        total += gradient[0] * (end - start)
        start = end
    return total


@dataclass(frozen=True)
class Attribution:
    """A local attribution map and its measures."""

    name: str  # of the network
    map: NDArray[np.float64]  # (3, h, w): what each value of the LR image contributes to the edges in the patch, signed
    before: float  # D of the result of the blurred image
    after: float  # D of the result of the image

    @property
    def contribution(self) -> NDArray[np.float64]:
        """(h, w): the magnitude of the map's sum over channels."""
        return np.abs(self.map.sum(axis=0))

    @property
    def area(self) -> NDArray[np.bool_]:
        """(h, w): the contribution area, pixels that contribute over ``THRESHOLD`` of the largest contribution."""
        return self.contribution > THRESHOLD * self.contribution.max()

    @property
    def diffusion_index(self) -> float:
        """LAM's DI, ``(1 - Gini) * 100``: higher if more pixels contribute. It depends on the size of the LR image."""
        return (1 - gini(self.contribution)) * 100

    @property
    def error(self) -> float:
        """Of the integration: distance of the map's sum from the change of D, relative to that change."""
        change = self.after - self.before
        return abs(self.map.sum() - change) / abs(change)


def gini(values: NDArray[np.float64]) -> float:
    """The Gini coefficient ``sum_ij |v_i - v_j| / (2 n^2 mean(v))`` of ``n`` values, not negative and not all 0.

    It is 0 if all are equal, 1 - 1/n if all but one are 0. Computed in O(n log n) from the sorted values.
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    n = ordered.size
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def attribute(network: Network, lr: NDArray[np.uint8], patch: Patch, steps: int, device: torch.device) -> Attribution:
    """Attribute the edges in a patch of a network's result to the pixels of ``lr``.

    The network sees all of ``lr``, (h, w, 3), RGB, and computes in float32; path and sums are float64. Its parameters
    move to ``device``.

    Raises:
        UserError: blur does not change the patch, the result is not finite, out of memory, the network has no gradient
            or refuses the image.
    """
    network.net.to(device)
    image = as_input(lr).to(device)

    def objective(points: Tensor) -> Tensor:
        return detail(network.net(points.float()), patch).double()

    def path(alpha: float) -> Tensor:
        return blurred(image, SIGMA * (1 - alpha))

    try:
        with tf32(device, False):
            with torch.no_grad():
                before, after = (float(objective(path(alpha)[None])) for alpha in (0.0, 1.0))
            total = integrated_gradients(objective, path, steps=steps, label=network.name).cpu().numpy()
    except Exception as error:  # a network may raise anything
        reason = "out of memory: reduce --crop" if is_out_of_memory(error) else f"attribution failed: {error}"
        raise UserError(f"{network.name}: {reason}") from error
    if not np.isfinite([before, after, total.sum()]).all():
        raise UserError(f"{network.name}: result or gradient is not finite; check that the weights fit the network")
    if abs(after - before) <= ROUNDING * max(before, after):
        raise UserError(f"{network.name}: the patch is flat, blur does not change it: choose another one with --at")
    return Attribution(network.name, total, before, after)


def as_input(lr: NDArray[np.uint8]) -> Tensor:
    """(h, w, 3), uint8, to ``(3, h, w)``, float64, in [0, 1]."""
    return torch.from_numpy(lr.astype(np.float64) / 255).permute(2, 0, 1)
