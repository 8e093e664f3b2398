"""What of a result is attributed."""

from typing import NamedTuple

import torch
from torch import Tensor


class Patch(NamedTuple):
    """A square of the result: the x and y of its top left pixel, and its side, in pixels of the result."""

    x: int
    y: int
    side: int


def detail(result: Tensor, patch: Patch) -> Tensor:
    """LAM's detector D: how much edge there is in a patch, the sum of its gradient magnitudes.

    The gradient at a pixel is its difference from the one below and the one to the right; these may lie just outside of
    the patch. In the last row and column of the result there is none. Where it is 0, its magnitude counts as flat.

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
    magnitude = torch.linalg.vector_norm(torch.stack([down, right]), dim=0)  # whose derivative at 0 is 0, not NaN
    return magnitude.sum(dim=(1, 2, 3))
