"""How far an attribution reaches, in numbers."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Contribution = NDArray[np.float64]  # (h, w), not negative

THRESHOLD = 0.01  # of the largest contribution: what lies above belongs to the area


class Area(NamedTuple):
    """The pixels that contribute.

    Attributes:
        mask: (h, w), which they are.
        pixels: how many.
        share: of all pixels, 0 to 1.
        width, height: of the smallest box around them.
    """

    mask: NDArray[np.bool_]
    pixels: int
    share: float
    width: int
    height: int


def contribution(attribution: NDArray[np.float64]) -> Contribution:
    """What each pixel contributes, whichever way: the magnitude of the sum over the channels of ``(C, h, w)``."""
    return np.abs(attribution.sum(axis=0))


def gini(values: NDArray[np.float64]) -> float:
    """The Gini coefficient: 0 where all values are equal, 1 - 1/n where one of n has everything.

    It is ``sum_ij |v_i - v_j| / (2 n^2 mean(v))``, here by the equal sum over sorted values, which is not quadratic.

    Args:
        values: of any shape, not negative.

    Raises:
        ValueError: a value is negative, or all are 0.
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    n, total = ordered.size, ordered.sum()
    if not (n and ordered[0] >= 0 and total > 0):
        raise ValueError("the Gini coefficient is of values that are not negative and not all 0")
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def diffusion_index(values: NDArray[np.float64]) -> float:
    """LAM's diffusion index, 0 to 100: ``DI = (1 - G) * 100`` with G the Gini coefficient. More pixels, higher DI.

    It depends on the number of values: the same few pixels in a larger image give a lower DI.

    Raises:
        ValueError: see ``gini``.
    """
    return (1 - gini(values)) * 100


def area(values: Contribution, threshold: float = THRESHOLD) -> Area:
    """The pixels whose contribution exceeds ``threshold`` times the largest one; at least one is to be above 0."""
    mask = values > threshold * values.max()
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Area(mask, int(mask.sum()), float(mask.mean()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
