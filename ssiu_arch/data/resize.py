"""MATLAB's ``imresize(image, scale, 'bicubic')`` to the bit, which made the published LR images.

One pass over an axis is a product with a banded matrix. With ``s`` the scale and ``k`` Keys' cubic
(a = -0.5), widened by ``1/s`` when shrinking, output sample ``i`` (counted from 0) is::

    u    = (i + 1/2)/s - 1/2                        its place among the input samples
    w_j  = k(min(s, 1) * (u - j))                   the weight of input sample j
    y_i  = round( sum_j w_j x_j / sum_j w_j )       beyond the border x is mirrored: x_-1 = x_0

MATLAB resizes the height first, then the width, and keeps the type of the image in between: integer images are rounded
half up and clipped after each pass.

The weights are rational and repeat with ``i``. They are computed as fractions and applied as integers over a common
denominator. Float arithmetic on integers is exact in any order of summation, so the result is the same on every machine
and ties round half up.
"""

from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, lcm
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]

MAX_DENOMINATOR = 100  # of a scale: larger ones are rounding errors of a float
ROWS_PER_BLOCK = 16  # output rows per matrix product: their band of the input fits the cache


def imresize(image: Image, scale: float | Fraction) -> Image:
    """Resize ``image`` by ``scale`` as MATLAB's ``imresize(image, scale, 'bicubic')`` does.

    Args:
        image: (H, W) or (H, W, C), uint8, uint16, float32 or float64, in any order of channels. Floats may have any
            range and are neither rounded nor clipped.
        scale: such as ``1/4`` or ``4``: a fraction with a denominator up to 100, or a float equal to one.

    Returns:
        A new image of the same type, (ceil(scale H), ceil(scale W)) or the same with C.

    Raises:
        ValueError: ``image`` is no such array or is empty, or ``scale`` is no such number.
    """
    if not isinstance(image, np.ndarray) or image.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image ({kind}) must be an array of uint8, uint16, float32 or float64")
    if image.ndim not in (2, 3) or not image.size:
        raise ValueError(f"image of shape {image.shape} must be (H, W) or (H, W, C), and not empty")
    factor = _as_fraction(scale)
    return _transpose(_resize_rows(_transpose(_resize_rows(image, factor)), factor))


def mod_crop(image: Image, scale: int) -> Image:
    """The top left part of ``image`` (H, W[, C]), cropped to multiples of ``scale``; a view."""
    height, width = image.shape[:2]
    return image[: height - height % scale, : width - width % scale]


def _as_fraction(scale: float | Fraction) -> Fraction:
    """``scale`` as a fraction: the float ``1/3`` becomes the number 1/3."""
    try:
        factor = Fraction(scale).limit_denominator(MAX_DENOMINATOR)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"scale ({scale!r}) must be a positive finite number") from None
    if factor <= 0 or abs(factor - Fraction(scale)) > 1e-12 * factor:
        raise ValueError(f"scale ({scale!r}) must be a positive fraction with a denominator up to {MAX_DENOMINATOR}")
    return factor


def _cubic(x: Fraction) -> Fraction:
    """Keys' cubic convolution kernel with a = -0.5; zero from 2 on."""
    x = abs(x)
    if x <= 1:
        return (3 * x**3 - 5 * x**2 + 2) / 2
    if x < 2:
        return (-(x**3) + 5 * x**2 - 8 * x + 4) / 2
    return Fraction(0)


@lru_cache(maxsize=32)
def _phases(scale: Fraction) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """The weights of the first ``p`` output samples, where scale = p/q; with i + p they move on by q.

    Returns:
        The first input index of each of the p samples (p,), their weights (p, taps) as integers, and their common
        denominator.
    """
    shrink = min(scale, Fraction(1))
    first, weights = [], []
    for i in range(scale.numerator):
        u = (i + Fraction(1, 2)) / scale - Fraction(1, 2)
        first.append(floor(u - 2 / shrink))
        raw = [_cubic(shrink * (u - j)) for j in range(first[-1], first[-1] + ceil(4 / shrink) + 2)]
        total = sum(raw)
        weights.append([w / total for w in raw])
    denominator = lcm(2, *(w.denominator for row in weights for w in row))
    if denominator > 2**53:  # an odd scale such as 97/100: no integers in float64, and no exact ties
        denominator = 1
    return np.array(first), np.array([[float(w * denominator) for w in row] for row in weights]), denominator


def _resize_rows(image: Image, scale: Fraction) -> Image:
    """Resize the first axis of ``image`` (n, ...) to ceil(scale n)."""
    n = image.shape[0]
    _, weights, denominator = _phases(scale)
    is_integer = np.issubdtype(image.dtype, np.integer)
    top = np.iinfo(image.dtype).max if is_integer else 1
    largest = top * np.abs(weights).sum(axis=1).max()
    kind = np.float32 if is_integer and largest < 2**24 else np.float64  # exact below 2**24 and 2**53

    # One product with the whole matrix would be wasteful: a row of it has 4 weights (4/scale when shrinking) among n
    # columns of zeros. Sixteen output rows at a time need only a band of about 16/scale columns, which fits the cache.
    # The weights are integers, so that float32 adds them without rounding up to 2**24 and the result does not depend on
    # the order in which a BLAS sums. MATLAB rounds half up, NumPy half to even. So half the denominator is added before
    # the division, and the assignment to an integer array cuts off the rest.
    flat = image.reshape(n, -1)
    result = np.empty((ceil(scale * n), flat.shape[1]), image.dtype)
    for start in range(0, len(result), ROWS_PER_BLOCK):
        stop = min(start + ROWS_PER_BLOCK, len(result))
        low, band = _band(np.arange(start, stop), n, scale)
        sums = band.astype(kind) @ flat[low : low + band.shape[1]].astype(kind)
        if is_integer:
            sums += denominator / 2
        sums /= denominator
        if is_integer:
            np.clip(sums, 0, top, out=sums)
        result[start:stop] = sums
    return result.reshape(-1, *image.shape[1:])


def _band(i: NDArray[np.int64], n: int, scale: Fraction) -> tuple[int, NDArray[np.float64]]:
    """The matrix from ``n`` input samples to output samples ``i``, without the columns that are zero.

    Returns:
        The index of the first column, and the matrix (len(i), columns) of weights.
    """
    first, weights, _ = _phases(scale)
    turn, phase = np.divmod(i, scale.numerator)
    j = (first[phase] + turn * scale.denominator)[:, None] + np.arange(weights.shape[1])
    j %= 2 * n
    j = np.minimum(j, 2 * n - 1 - j)  # the mirror
    low = int(j.min())
    band = np.zeros((len(i), int(j.max()) - low + 1))
    np.add.at(band, (np.arange(len(i))[:, None], j - low), weights[phase])
    return low, band


def _transpose(image: Image) -> Image:
    """``image`` with its first two axes exchanged, in contiguous memory; by OpenCV, which is 15 times as fast."""
    if image[0, 0].nbytes <= 32:
        return cv2.transpose(image).reshape(image.shape[1], image.shape[0], *image.shape[2:])
    return np.ascontiguousarray(image.swapaxes(0, 1))
