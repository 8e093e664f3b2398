"""The networks to attribute, with their weights."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ssiu_arch.checks.build import load_network_options, ready
from ssiu_arch.checks.finding import located
from ssiu_arch.checks.network import build, fitting_weights
from ssiu_arch.integrations.rivals import Spandrel
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import load

PROBE = 16  # side in pixels of the image that reveals a network's scale


@dataclass(frozen=True)
class Network:
    """A network on the CPU, float32, in eval mode, without gradients of its parameters.

    Attributes:
        name: shown in picture and table.
        net: ``(B, 3, h, w)``, RGB in [0, 1], to ``(B, any, s*h, s*w)``.
        scale: s.
        has_weights: whether the weights come from a file; else they are random.
    """

    name: str
    net: nn.Module
    scale: int
    has_weights: bool = True


def from_weights(path: str) -> Network:
    """The SSIU whose weights are in a file; errors as ``ssiu_arch.load``."""
    return _network(Path(path).stem, ready(load(path), {}), has_weights=True)


def from_options(path: str) -> Network:
    """``network_g`` of an option file with the weights of its ``path``; random weights if it names none.

    Only ``name``, ``network_g``, ``path.pretrain_network_g`` and ``path.param_key_g`` are read.

    Raises:
        UserError: file, network or weights are missing, or do not fit.
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
    named = file is not None or (isinstance(net, Spandrel) and net.path is not None)
    return _network(str(opt.get("name", Path(path).stem)), ready(net, opt["network_g"]), has_weights=named)


def _network(name: str, net: nn.Module, *, has_weights: bool) -> Network:
    """A ``Network`` whose scale is found by running it on a small image."""
    with located(f"{name}: cannot run on RGB of {PROBE}x{PROBE} pixels"), torch.no_grad():
        result = net(torch.zeros(1, 3, PROBE, PROBE))
    shape = tuple(result.shape) if isinstance(result, Tensor) else ()
    if len(shape) != 4 or shape[2] != shape[3] or shape[2] < PROBE or shape[2] % PROBE:
        raise UserError(f"{name}: returns {shape} for {PROBE}x{PROBE} pixels, which is no image of a whole scale")
    return Network(name, net, shape[2] // PROBE, has_weights)
