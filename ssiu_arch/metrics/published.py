"""PSNR and SSIM as the authors of SSIU measured them for their paper, beside BasicSR's standard pair.

The released evaluation differs from the standard one (BasicSR's ``calculate_psnr`` and ``calculate_ssim``) in three
things. With x the image as R, G, B in [0, 255]:

1. It divides by 255 twice before it adds 16, and multiplies by 255 at the end::

       Y' = 255 (16 + (65.481 R + 128.553 G + 24.966 B)/255^2) = Y + 4064

   Y lies in [16, 235], Y' in [4080, 4299]. The difference of two images is that of the standard Y: PSNR is unharmed.
   SSIM's luminance term, made for means of about 100, is 1 everywhere.
2. It computes SSIM in float32. The variances are differences of blurred squares near 1.7e7, which float32 keeps to a
   multiple of 1 or 2, and the Gaussian's taps add up to 1 - 3e-8: the two variances and the covariance all come out
   1.1 too large on average. Flat parts of an image, whose variance is of that size, look alike for it.
3. It scores the network's output as it is, neither clamped nor rounded to 8 bit: ``float_output: true`` as an option
   of the metric makes ``basicsr train`` and ``basicsr test`` do so.

It also adds 0.005 dB and 0.00005 to the means before it rounds them, which these metrics do not. ``docs/scores.md``
has the size of each of these effects.
"""

from typing import Any

import numpy as np
from basicsr.metrics.metric_util import reorder_image
from basicsr.utils.registry import METRIC_REGISTRY
from numpy.typing import NDArray

Image = NDArray[Any]
Float32 = NDArray[np.float32]

_WINDOW = 11
# exp(-k^2 / (2 1.5^2)), k = 5 ... 0, over their sum, as PyTorch computes it in float32. Written out, since the result
# hangs on the last bits: the same in NumPy's float32 adds up to 1 + 6e-8 and gives an SSIM that is too low instead.
_HALF = ("0x1.0d9570p-10", "0x1.f1fe02p-8", "0x1.26eb18p-5", "0x1.bff0fep-4", "0x1.b43c3ep-3", "0x1.106560p-2")
_TAPS: Float32 = np.array([float.fromhex(tap) for tap in (*_HALF, *_HALF[-2::-1])], np.float32)
_C1, _C2 = np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)


def calculate_psnr_published(
    img: Image, img2: Image, crop_border: int, input_order: str = "HWC", test_y_channel: bool = True, **kwargs: Any
) -> float:
    """PSNR in dB as the paper's authors measure it; the standard PSNR on Y to 0.0001 dB.

    Args:
        img: The output, BGR, (H, W, 3) or (3, H, W), [0, 255], uint8 or float; floats are not clamped.
        img2: GT, likewise.
        crop_border: Pixels left out at each side; the scale, by convention.
        input_order: ``HWC`` or ``CHW``.
        test_y_channel: True; there is no such protocol on RGB.

    Raises:
        ValueError: If the images differ in shape or have no three channels, or ``test_y_channel`` is false.
    """
    luma, luma2 = _luma_pair(img, img2, crop_border, input_order, test_y_channel)
    mse = float(np.mean((luma.astype(np.float64) - luma2) ** 2))
    return float("inf") if mse == 0 else 10 * float(np.log10(255**2 / mse))


def calculate_ssim_published(
    img: Image, img2: Image, crop_border: int, input_order: str = "HWC", test_y_channel: bool = True, **kwargs: Any
) -> float:
    """SSIM as the paper's authors measure it, 0.0015 to 0.004 above the standard one on Y.

    It takes what ``calculate_psnr_published`` takes. The arithmetic is float32 on purpose, each convolution a sum in
    the order of the taps: 11x11 Gaussian, sigma 1.5, no padding, data range 255.

    Raises:
        ValueError: As ``calculate_psnr_published``; or if fewer than 11 pixels a side are left of the images.
    """
    x, y = _luma_pair(img, img2, crop_border, input_order, test_y_channel)
    if min(x.shape) < _WINDOW:
        raise ValueError(f"images of {x.shape[0]}x{x.shape[1]} without the border are smaller than SSIM's 11x11 window")
    mu_x, mu_y = _blur(x), _blur(y)
    var_x, var_y, cov = _blur(x * x) - mu_x * mu_x, _blur(y * y) - mu_y * mu_y, _blur(x * y) - mu_x * mu_y
    luminance = (2 * mu_x * mu_y + _C1) / (mu_x * mu_x + mu_y * mu_y + _C1)
    structure = (2 * cov + _C2) / (var_x + var_y + _C2)
    return float(np.mean(luminance * structure, dtype=np.float64))


def _luma_pair(
    img: Image, img2: Image, crop_border: int, input_order: str, test_y_channel: bool
) -> tuple[Float32, Float32]:
    if not test_y_channel:
        raise ValueError("test_y_channel (False) must be true: the published protocol is one on Y")
    if img.shape != img2.shape:
        raise ValueError(f"image shapes are different: {img.shape} and {img2.shape}")
    images = [reorder_image(image, input_order) for image in (img, img2)]
    if images[0].shape[2] != 3:
        raise ValueError(f"images of shape {img.shape} must have three channels")
    inner = [image[crop_border : len(image) - crop_border or None] for image in images]
    inner = [image[:, crop_border : image.shape[1] - crop_border or None] for image in inner]
    return _luma(inner[0]), _luma(inner[1])


def _luma(image: Image) -> Float32:
    """Y' (H, W) in [4080, 4299] of a BGR image (H, W, 3) in [0, 255], float32 in every step."""
    scaled = image.astype(np.float32) / np.float32(255) / np.float32(255)
    b, g, r = scaled[..., 0], scaled[..., 1], scaled[..., 2]
    y = np.float32(65.481) * r + np.float32(128.553) * g + np.float32(24.966) * b + np.float32(16)
    return y * np.float32(255)


def _blur(image: Float32) -> Float32:
    """The Gaussian over (H, W), first along the height, then along the width, giving (H - 10, W - 10)."""
    height, width = (size - _WINDOW + 1 for size in image.shape)
    rows = sum((tap * image[i : i + height] for i, tap in enumerate(_TAPS[1:], 1)), _TAPS[0] * image[:height])
    return sum((tap * rows[:, i : i + width] for i, tap in enumerate(_TAPS[1:], 1)), _TAPS[0] * rows[:, :width])


for _metric in (calculate_psnr_published, calculate_ssim_published):
    if _metric.__name__ not in METRIC_REGISTRY:
        METRIC_REGISTRY.register(_metric)
