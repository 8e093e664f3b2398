"""Scores of shipped weights, on Y of 8-bit images, without a border of as many pixels as the scale; PSNR decides."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.data.images import Image, list_images, read_image
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.errors import UserError
from ssiu_arch.scores.record import mean
from ssiu_arch.upscaling import Upscaler

Pair = tuple[Image, Image]  # HR and LR, (H, W, 3) and (h, w, 3), BGR


def read_pairs(hr_folder: Path, lr_folder: Path, scale: int) -> Iterator[Pair]:
    """Pairs of HR and LR; an LR image is called like its HR image, or with ``x4``, the scale, after the name.

    Raises:
        UserError: there is none, or it is no image.
    """
    for path in list_images(hr_folder):
        names = (f"{path.stem}x{scale}.png", f"{path.stem}.png")
        lr = next((lr_folder / name for name in names if (lr_folder / name).is_file()), None)
        if lr is None:
            raise UserError(f"{path}: has no LR image in {lr_folder} (looked for {names[0]} and {names[1]})")
        yield read_image(path), read_image(lr)


def psnr(net: SSIU, pairs: Iterable[Pair]) -> float:
    """The mean PSNR of a network over pairs, in dB, by BasicSR's metric; runs on the network's device in float32."""
    from basicsr.metrics import calculate_psnr

    return mean([calculate_psnr(*each, net.upscale, test_y_channel=True) for each in _results(net, pairs)])


def psnr_and_ssim(net: SSIU, pairs: Iterable[Pair]) -> tuple[float, float]:
    """``psnr``, and the mean SSIM by BasicSR's metric."""
    from basicsr.metrics import calculate_psnr, calculate_ssim

    both = [
        [metric(*each, net.upscale, test_y_channel=True) for metric in (calculate_psnr, calculate_ssim)]
        for each in _results(net, pairs)
    ]
    first, second = zip(*both, strict=True)
    return mean(list(first)), mean(list(second))


def _results(net: SSIU, pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Results and the HR images that they are measured against."""
    upscaler = Upscaler(net)
    for hr, lr in pairs:
        result = upscaler(np.ascontiguousarray(lr[..., ::-1]))[..., ::-1]
        yield result, hr[: result.shape[0], : result.shape[1]]


def photo_psnr(net: SSIU) -> float:
    """The PSNR of a network on a detail of a photo that comes with scikit-image, on the CPU: a test keeps it."""
    from skimage.data import coffee

    hr = np.ascontiguousarray(coffee()[100:292, 200:392, ::-1])
    return psnr(net.to("cpu"), [(hr, make_lr(hr, net.upscale))])


def device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
