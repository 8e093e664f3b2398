"""Scores of shipped weights, on Y of 8-bit images, without a border of as many pixels as the scale; PSNR decides."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.data.bicubic import Pair, mean_scores
from ssiu_arch.data.images import Image, list_images, read_image
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.inference import Upscaler
from ssiu_arch.utils.errors import UserError


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
    (score,) = mean_scores(pairs, net.upscale, _enlarged_by(net), ["psnr"])
    return score


def psnr_and_ssim(net: SSIU, pairs: Iterable[Pair]) -> tuple[float, float]:
    """``psnr``, and the mean SSIM by BasicSR's metric."""
    score, ssim = mean_scores(pairs, net.upscale, _enlarged_by(net))
    return score, ssim


def _enlarged_by(net: SSIU) -> Callable[[Image], Image]:
    upscaler = Upscaler(net)  # takes RGB
    return lambda lr: upscaler(np.ascontiguousarray(lr[..., ::-1]))[..., ::-1]


def photo_psnr(net: SSIU) -> float:
    """The PSNR of a network on a detail of a photo that comes with scikit-image, on the CPU: a test keeps it."""
    from skimage.data import coffee

    hr = np.ascontiguousarray(coffee()[100:292, 200:392, ::-1])
    return psnr(net.to("cpu"), [(hr, make_lr(hr, net.upscale))])


def device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
