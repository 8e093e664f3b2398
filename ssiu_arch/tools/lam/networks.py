"""The networks to attribute, with their weights."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import reflect_to_multiple
from ssiu_arch.checks.network import build, fitting_weights
from ssiu_arch.checks.option_file import check_types
from ssiu_arch.checks.option_file import load as load_options
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import load

PROBE = 16  # side in pixels of the image that reveals a network's channels and scale


@dataclass(frozen=True)
class Network:
    """A network on the CPU, float32, in eval mode, without gradients of its parameters.

    Attributes:
        name: shown in picture and table.
        net: ``(B, channels, h, w)`` in [0, 1] to ``(B, any, s*h, s*w)``.
        channels: 3 for RGB, 1 for Y.
        scale: s.
        weights: the weight file; None: random weights.
        multiple: of input sides, for networks of whole windows (SwinIR); inputs are reflect-padded, results cropped.
    """

    name: str
    net: nn.Module
    channels: int
    scale: int
    weights: str | None = None
    multiple: int = 1

    def __call__(self, y: Tensor) -> Tensor:
        height, width = y.shape[2:]
        x = self.net(reflect_to_multiple(y, self.multiple))
        return x[:, :, : self.scale * height, : self.scale * width]


def from_weights(path: str) -> Network:
    """The SSIU whose weights are in a file; errors as ``ssiu_arch.load``."""
    return _network(Path(path).stem, load(path), path)


def from_options(path: str) -> Network:
    """``network_g`` of an option file with the weights of its ``path``; random weights if it names none.

    Only ``name``, ``network_g``, ``path.pretrain_network_g`` and ``path.param_key_g`` are read.

    Raises:
        UserError: file, network or weights are missing, or do not fit.
    """
    opt = load_options(path)
    options, paths = opt.get("network_g"), opt.get("path") or {}
    if not isinstance(options, dict) or not isinstance(paths, dict):
        raise UserError(f"-opt {path}: must have a section network_g, and path must be a section")
    file, window = paths.get("pretrain_network_g"), options.get("window_size")
    try:
        check_types({"model_type": "SRModel", "datasets": {}, "network_g": options})
        net = build(opt)
        if file is not None:
            net.load_state_dict(fitting_weights(str(file), paths.get("param_key_g", "params"), net))
    except UserError as error:
        raise UserError(f"-opt {path}: {error}") from error
    multiple = window if type(window) is int and window > 0 else 1
    return _network(str(opt.get("name", Path(path).stem)), net, file, multiple)


def _network(name: str, net: nn.Module, weights: str | None, multiple: int = 1) -> Network:
    """A ``Network`` whose channels and scale are found by running it on a small image, RGB first, then Y."""
    net = net.eval().requires_grad_(False)
    side = PROBE + -PROBE % multiple
    reasons = []
    for channels in (3, 1):
        try:
            with torch.no_grad():
                result = net(torch.zeros(1, channels, side, side))
        except Exception as error:  # a network may raise anything
            reasons.append(" ".join(str(error).split()) or type(error).__name__)
            continue
        shape = tuple(result.shape) if isinstance(result, Tensor) else ()
        if len(shape) != 4 or shape[2] != shape[3] or shape[2] < side or shape[2] % side:
            raise UserError(f"{name}: returns {shape} for {side}x{side} pixels, which is no image of a whole scale")
        return Network(name, net, channels, shape[2] // side, weights, multiple)
    raise UserError(f"{name}: runs neither on RGB nor on Y of {side}x{side} pixels: {reasons[0][:500]}")
