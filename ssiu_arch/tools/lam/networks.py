"""The networks whose results are attributed, with their weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ssiu_arch.checks.network import fitting_weights
from ssiu_arch.checks.option_file import load as load_options
from ssiu_arch.tools.profile.candidates import from_option_file, parse, said_of, scale_of
from ssiu_arch.tools.profile.forms import padded
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import load, read_checkpoint
from ssiu_arch.weights.ssiu import chosen

PROBE = 16  # pixels: side of the image by which a network's scale is found out


@dataclass(frozen=True)
class Network:
    """A network on the CPU, float32, in eval mode, whose parameters take no gradient.

    Attributes:
        name: what to call it.
        net: ``(B, channels, h, w)`` in [0, 1] to ``(B, any, s*h, s*w)``.
        channels: 3 for RGB, 1 for Y alone.
        scale: s.
        weights: the file of its weights; None: they are random.
    """

    name: str
    net: nn.Module
    channels: int
    scale: int
    weights: str | None


def from_weights(path: str) -> Network:
    """The SSIU whose weights are in a file.

    Raises:
        UserError: see ``ssiu_arch.load``.
    """
    net = load(path).requires_grad_(False)
    return _network(Path(path).stem, net, net.head.in_channels, path)


def from_options(path: str) -> Network:
    """``network_g`` of an option file with the weights that its ``path`` names; without any, random ones.

    Raises:
        UserError: there is no such file, network or weights, or they do not fit.
    """
    opt = load_options(path)
    candidate = from_option_file(path, scale_of([path]))
    named: dict[str, Any] = opt.get("path") or {}
    if not isinstance(named, dict):
        raise UserError(f"-opt {path}: path ({named!r}) must hold options of its own")
    file = named.get("pretrain_network_g")
    net = candidate.build()
    if file is not None:
        with said_of(f"-opt {path}"):
            net.load_state_dict(fitting_weights(str(file), named.get("param_key_g", "params"), net))
    return _network(str(opt.get("name", Path(path).stem)), padded(net, candidate.multiple), candidate.channels, file)


def from_candidate(text: str, file: str | None, scale: int) -> Network:
    """A network spelled as for ``ssiu profile``, with the weights in ``file``: the first set there is of ``SETS``.

    Raises:
        UserError: there is no such network, it is one that has no gradients, or the weights do not fit.
    """
    candidate = parse(text, scale)
    if candidate.form == "fused" or candidate.modes:
        raise UserError(
            f"--network {text}: the fast form and modes are for speed, without gradients: name the network alone"
        )
    net = candidate.build()
    if file is not None:
        key = chosen(file, read_checkpoint(file), None)
        with said_of(f"--network {text}"):
            net.load_state_dict(fitting_weights(file, key, net))
    return _network(text, padded(net, candidate.multiple), candidate.channels, file)


def _network(name: str, net: nn.Module, channels: int, weights: str | None) -> Network:
    if channels not in (1, 3):
        raise UserError(f"{name}: takes images of {channels} channels; only RGB and Y can be attributed")
    return Network(name, net, channels, _scale_of(name, net, channels), weights)


def _scale_of(name: str, net: nn.Module, channels: int) -> int:
    """How much larger a result is, found out on a small image."""
    image = torch.zeros(1, channels, PROBE, PROBE)
    try:
        with torch.no_grad():
            result = net(image)
    except Exception as error:  # whatever a network raises
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{name}: cannot run on {PROBE}x{PROBE} pixels: {reason[:500]}") from error
    is_image = isinstance(result, Tensor) and result.ndim == 4 and result.shape[2] == result.shape[3]
    scale, rest = divmod(result.shape[2], PROBE) if is_image else (0, 0)
    if scale < 1 or rest:
        shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise UserError(f"{name}: makes {shape} of {PROBE}x{PROBE} pixels, which is no enlarged image")
    return scale
