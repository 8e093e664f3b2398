"""The local attribution map of a network, image and patch."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from basicsr.utils.color_util import rgb2ycbcr_pt
from numpy.typing import NDArray
from torch import Tensor

from ssiu_arch.inference.precision import tf32
from ssiu_arch.tools.lam.gradients import integrated_gradients
from ssiu_arch.tools.lam.measure import Area, Contribution, area, contribution, diffusion_index, gini
from ssiu_arch.tools.lam.networks import Network
from ssiu_arch.tools.lam.objective import Patch, detail
from ssiu_arch.tools.lam.path import blur_path
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import is_out_of_memory

Image = NDArray[np.uint8]
ROUNDING = 1e-6  # of the detector's value: a smaller change is float32's


class Settings(NamedTuple):
    """Of the path and its integration; the defaults are those of the authors' demonstration.

    Attributes:
        sigma: of the Gaussian at the baseline, in LR pixels, above 0.
        kernel: its width in LR pixels, odd.
        steps: of the integration.
        at_a_time: steps that go through the network as one batch; memory grows with it, the result does not change.
    """

    sigma: float = 1.2
    kernel: int = 9
    steps: int = 50
    at_a_time: int = 1


@dataclass(frozen=True)
class Attribution:
    """A local attribution map and what it says.

    Attributes:
        name: of the network.
        map: (channels, h, w): what each value of the LR image contributes to the edges in the patch.
        before: the detector's value on the result of the blurred image.
        after: that on the result of the image.
    """

    name: str
    map: NDArray[np.float64]
    before: float
    after: float

    @property
    def contribution(self) -> Contribution:
        """(h, w), not negative."""
        return contribution(self.map)

    @property
    def gini(self) -> float:
        """0 where all pixels contribute the same, 1 - 1/n where one does alone."""
        return gini(self.contribution)

    @property
    def diffusion_index(self) -> float:
        """0 to 100."""
        return diffusion_index(self.contribution)

    @property
    def area(self) -> Area:
        """The pixels that contribute more than a hundredth of what the most important one does."""
        return area(self.contribution)

    @property
    def error(self) -> float:
        """Of the integration: how far the map's sum is from the detector's change, in units of that change."""
        change = self.after - self.before
        return abs(self.map.sum() - change) / abs(change)


def attribute(
    network: Network,
    lr: Image,
    patch: Patch,
    settings: Settings,
    device: torch.device,
    before_each: Callable[[], object] = lambda: None,
) -> Attribution:
    """Which pixels of ``lr`` the edges in a patch of the network's result come from.

    Gu and Dong, CVPR 2021: gradients of ``detail`` integrated along ``blur_path``. The network computes in float32,
    path and sums in float64.

    Args:
        network: which; its parameters move to ``device``.
        lr: the whole image it is to see, (h, w, 3), RGB.
        patch: in its result.
        settings: see there.
        device: where.
        before_each: called before each batch of steps, which there are ``ceil(steps / at_a_time)`` of.

    Raises:
        UserError: the patch is as flat with the blurred image, the result is no number, memory does not suffice, or the
            network has no gradient or does not take the image.
    """
    net = network.net.to(device)
    image = as_input(lr, network.channels).to(device)

    def objective(points: Tensor) -> Tensor:
        return detail(net(points.float()), patch).double()

    path = blur_path(image, sigma=settings.sigma, kernel=settings.kernel)
    try:
        with tf32(device, False):
            with torch.no_grad():
                before, after = (float(objective(path(alpha)[None])) for alpha in (0.0, 1.0))
            total = integrated_gradients(
                objective, path, steps=settings.steps, at_a_time=settings.at_a_time, before_each=before_each
            )
    except Exception as error:  # whatever a network raises
        if is_out_of_memory(error):
            raise UserError(f"{network.name}: out of memory: give a smaller --batch or --crop") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{network.name}: cannot be attributed: {reason[:500]}") from error
    if not all(map(math.isfinite, (before, after, float(total.sum())))):
        raise UserError(f"{network.name}: its result or gradient is infinite or no number: are these its weights?")
    if abs(after - before) <= ROUNDING * max(before, after):
        raise UserError(f"{network.name}: blur changes nothing in this patch, it is flat: choose another by --at")
    return Attribution(network.name, total.cpu().numpy(), before, after)


def as_input(lr: Image, channels: int) -> Tensor:
    """(h, w, 3), RGB, uint8, as networks take it: ``(channels, h, w)`` in [0, 1], float64; Y of YCbCr if 1."""
    rgb = torch.from_numpy(lr.astype(np.float64) / 255).permute(2, 0, 1)
    return rgb if channels == 3 else rgb2ycbcr_pt(rgb[None], y_only=True)[0]
