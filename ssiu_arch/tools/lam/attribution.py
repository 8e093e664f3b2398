"""The local attribution map of a network, image and patch."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssiu_arch.inference.precision import tf32
from ssiu_arch.tools.lam.gradients import KERNEL, SIGMA, Patch, blurred, detail, integrated_gradients
from ssiu_arch.tools.lam.networks import Network
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import is_out_of_memory

THRESHOLD = 0.01  # of the largest contribution: pixels above it belong to the contribution area
ROUNDING = 1e-6  # smallest relative change of D that float32 resolves


@dataclass(frozen=True)
class Attribution:
    """A local attribution map and its measures.

    Attributes:
        name: of the network.
        map: (3, h, w): what each value of the LR image contributes to the edges in the patch, signed.
        before, after: D of the results of the blurred image and of the image.
    """

    name: str
    map: NDArray[np.float64]
    before: float
    after: float

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

    The network computes in float32; path and sums are float64.

    Args:
        network: its parameters move to ``device``.
        lr: the whole image that the network sees, (h, w, 3), RGB.
        patch: in the result.
        steps: of the integration.
        device: where to compute.

    Raises:
        UserError: blur does not change the patch, the result is not finite, out of memory, the network has no gradient
            or refuses the image.
    """
    network.net.to(device)
    image = as_input(lr).to(device)

    def objective(points: Tensor) -> Tensor:
        return detail(network.net(points.float()), patch).double()

    def path(alpha: float) -> Tensor:
        return blurred(image, SIGMA * (1 - alpha), KERNEL)

    try:
        with tf32(device, False):
            with torch.no_grad():
                before, after = (float(objective(path(alpha)[None])) for alpha in (0.0, 1.0))
            total = integrated_gradients(objective, path, steps=steps, label=network.name)
    except Exception as error:  # a network may raise anything
        if is_out_of_memory(error):
            raise UserError(f"{network.name}: out of memory: reduce --crop") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{network.name}: attribution failed: {reason[:500]}") from error
    if not all(map(math.isfinite, (before, after, float(total.sum())))):
        raise UserError(f"{network.name}: result or gradient is not finite; check that the weights fit the network")
    if abs(after - before) <= ROUNDING * max(before, after):
        raise UserError(f"{network.name}: the patch is flat, blur does not change it: choose another one with --at")
    return Attribution(network.name, total.cpu().numpy(), before, after)


def as_input(lr: NDArray[np.uint8]) -> Tensor:
    """(h, w, 3), uint8, to ``(3, h, w)``, float64, in [0, 1]."""
    return torch.from_numpy(lr.astype(np.float64) / 255).permute(2, 0, 1)
