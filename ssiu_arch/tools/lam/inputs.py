"""What is attributed: the networks with their weights, and the part of an image with the patch in its result."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ssiu_arch.checks.finding import located
from ssiu_arch.checks.network import build, fitting_weights, load_network_options, ready
from ssiu_arch.data.images import Image
from ssiu_arch.data.resize import imresize, mod_crop
from ssiu_arch.integrations.rivals import Spandrel
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import load

PROBE = 16  # side in pixels of the image that reveals a network's scale
KERNEL = 9  # LR pixels: width of the blur, as in the authors' demonstration code


class Patch(NamedTuple):
    """A square of the result: x and y of its top left pixel, and its side, in pixels of the result."""

    x: int
    y: int
    side: int


@dataclass(frozen=True)
class Network:
    """A network on the CPU, float32, in eval mode, without gradients of its parameters."""

    name: str  # shown in picture and table
    net: nn.Module  # (B, 3, h, w), RGB in [0, 1], to (B, any, s*h, s*w)
    scale: int  # s
    has_weights: bool = True  # from a file; else they are random


def from_weights(path: str) -> Network:
    """The SSIU whose weights are in a file; errors as ``ssiu_arch.load``."""
    net = load(path)
    return Network(Path(path).stem, ready(net, {}), net.upscale)


def from_options(path: str) -> Network:
    """``network_g`` of an option file with the weights of its ``path``; random weights if it names none.

    Only ``name``, ``network_g``, ``path.pretrain_network_g`` and ``path.param_key_g`` are read.

    Raises:
        UserError: file, network or weights are missing, or do not fit; or the network does not enlarge RGB images.
    """
    opt = load_network_options(path)
    paths = opt.get("path") or {}
    if not isinstance(paths, dict):
        raise UserError(f"-opt {path}: path must be a section")
    file = paths.get("pretrain_network_g")
    with located(f"-opt {path}"):
        net = build(opt)
        if file is not None:
            net.load_state_dict(fitting_weights(str(file), paths.get("param_key_g", "params"), net))
    has_weights = file is not None or (isinstance(net, Spandrel) and net.path is not None)
    name, net = str(opt.get("name", Path(path).stem)), ready(net, opt["network_g"])
    # Other networks' arguments name the scale in as many ways as there are networks; a small image shows it.
    with located(f"{name}: cannot run on RGB of {PROBE}x{PROBE} pixels"), torch.no_grad():
        result = net(torch.zeros(1, 3, PROBE, PROBE))
    shape = tuple(result.shape) if isinstance(result, Tensor) else ()
    if len(shape) != 4 or shape[2] != shape[3] or shape[2] < PROBE or shape[2] % PROBE:
        raise UserError(f"{name}: returns {shape} for {PROBE}x{PROBE} pixels, which is no image of a whole scale")
    return Network(name, net, shape[2] // PROBE, has_weights)


@dataclass(frozen=True)
class Target:
    """What all networks of a run see."""

    lr: Image  # the crop they see, (h, w, 3), RGB
    hr: Image | None  # the same crop of the HR image, (s*h, s*w, 3), or None
    scale: int  # s
    crop: tuple[int, int, int, int]  # x and y of its top left pixel, width and height, in the LR image
    patch: Patch  # in the result of the crop

    @property
    def patch_of_whole(self) -> Patch:
        """The patch in the result of the whole image."""
        (x, y, side), (left, top, *_) = self.patch, self.crop
        return Patch(x + self.scale * left, y + self.scale * top, side)


def target(image: Image, *, is_hr: bool, scale: int, at: tuple[int, int] | None, patch: int, crop: int) -> Target:
    """Crop an image around a patch of its result.

    Args:
        image: (H, W, 3), RGB: the LR image, or with ``is_hr`` the HR image, downscaled like MATLAB's imresize.
        is_hr: see ``image``.
        scale: of the networks.
        at: x and y of the patch's top left pixel in the result of the whole image; None: the centre.
        patch: side of the patch, in pixels of the result.
        crop: side of the crop in LR pixels; smaller images are used whole.

    Raises:
        UserError: the patch is outside the result or larger than the crop, or the image is too small for the blur.
    """
    height, width = (side // (scale if is_hr else 1) for side in image.shape[:2])
    result = f"the result, which is {scale * width}x{scale * height}"
    if patch > scale * min(width, height):
        raise UserError(f"--patch {patch}: larger than {result}")
    x, y = at or ((scale * width - patch) // 2, (scale * height - patch) // 2)
    if x + patch > scale * width or y + patch > scale * height:
        raise UserError(f"--at {x} {y}: a patch of {patch}x{patch} here is not inside {result}")
    if min(width, height, crop) <= KERNEL // 2:
        size = f"{min(width, crop)}x{min(height, crop)} LR pixels"
        raise UserError(f"the input is {size}, but the blur needs {KERNEL // 2 + 1}: give a larger image or --crop")
    (left, w), (top, h) = _span(x, patch, scale, width, crop), _span(y, patch, scale, height, crop)
    inside, lr, hr = Patch(x - scale * left, y - scale * top, patch), image, None
    if is_hr:
        whole = mod_crop(image, scale)
        lr, hr = imresize(whole, 1 / scale), whole[scale * top : scale * (top + h), scale * left : scale * (left + w)]
    return Target(lr[top : top + h, left : left + w], hr, scale, (left, top, w, h), inside)


def _span(start: int, patch: int, scale: int, length: int, crop: int) -> tuple[int, int]:
    """First pixel and length of a crop along one axis, the patch in its middle as far as the image allows."""
    first, end = start // scale, ceil((start + patch) / scale)  # LR pixels under the patch
    size = min(crop, length)
    if end - first > size:
        raise UserError(f"--crop {crop}: smaller than the patch, which covers {end - first} LR pixels")
    middle = (first + end - size) // 2
    return max(0, min(middle, length - size)), size
