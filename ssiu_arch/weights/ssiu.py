"""The weights of an SSIU: found in a file, recognised by names and shapes, checked against the network."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights.options import STAGE, ssiu_options
from ssiu_arch.weights.reading import SETS, StateDict, bare_names, listed, read_checkpoint, tensors_of
from ssiu_arch.weights.shipped import weights_path

if TYPE_CHECKING:
    from ssiu_arch.archs.ssiu_arch import SSIU

LEAST_OF_STAGE = 20  # parameters, of 45 or 47, below which a stage counts as missing
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Weights:
    """The weights of an SSIU.

    Attributes:
        tensors: by our names, in the network's order.
        options: the arguments of ``SSIU``.
        key: of their set in the file; None: the root.
    """

    tensors: StateDict
    options: dict[str, Any]
    key: str | None

    @property
    def variant(self) -> str:
        """The variant of the paper's Table III."""
        changes = {"sparse_attention": "SAM instead of ESAM", "feature_selector": "without MoE-FS"}
        return ", ".join(["SSIU", *(text for name, text in changes.items() if not self.options[name])])


def read_ssiu(path: str | Path, key: str | None = None) -> tuple[StateDict, dict[str, Any]]:
    """The weights of an SSIU by our names, and the arguments of ``SSIU`` that fit them.

    Args:
        path: a checkpoint of BasicSR, a file that the authors released, or safetensors.
        key: the set of weights in the file; None: the first of ``SETS`` that exists, else the root.

    Raises:
        UserError: as ``read_checkpoint``; or the set is missing, or does not fit an SSIU.
    """
    found = find_ssiu(path, read_checkpoint(path), key)
    return found.tensors, found.options


def load(path: str | Path, key: str | None = None, *, scale: int | None = None) -> "SSIU":
    """The network whose weights are in ``path``, ready for use: scale, width and depth are read from the weights.

    Args:
        path: see ``read_ssiu``; ``shipped`` names the package's own weights.
        key: see ``read_ssiu``.
        scale: the scale that is wanted: 2, 3 or 4. It picks the shipped weights; None: x4, or whatever a file has.

    Returns:
        An ``SSIU`` on the CPU, float32, in evaluation mode: ``(B, 3, h, w)`` in [0, 1] to ``(B, 3, s*h, s*w)``.
        ``fuse`` gives its optimised form.

    Raises:
        UserError: see ``read_ssiu``.
        ValueError: the weights are for another scale.
    """
    from ssiu_arch.archs.ssiu_arch import SSIU

    path = weights_path(path, scale)
    weights, options = read_ssiu(path, key)
    check_scale(path, options["upscale"], scale)
    net = SSIU(**options).float()  # whatever torch's default is
    net.load_state_dict(weights)
    return net.eval()


def check_scale(weights: object, upscale: int, wanted: int | None) -> None:
    """Raise ``ValueError`` where weights for ``upscale`` are to be used for another scale."""
    if wanted not in (None, upscale):
        raise ValueError(f"scale ({wanted}): the weights {weights} are for x{upscale}; leave scale out")


def find_ssiu(path: str | Path, held: dict[str, Any], key: str | None) -> Weights:
    """The weights of an SSIU in what ``read_checkpoint`` found in ``path``.

    Raises:
        UserError: see ``read_ssiu``.
    """
    from ssiu_arch.archs.ssiu_arch import rename_released

    key = chosen(path, held, key)
    found = tensors_of(path, held, key)
    weights = bare_names(found)
    rename_released(weights)
    if len(weights) < len(found):
        raise UserError(f"weights {path}: {len(found) - len(weights)} parameters appear twice")
    options = ssiu_options(weights)
    if options is None:
        raise UserError(f"weights {path}: not an SSIU's; they are named {listed(found, 3)}")
    problem, order = _compared(weights, options)
    if problem:
        raise UserError(f"weights {path}: do not fit an SSIU: {problem}")
    return Weights({name: weights[name] for name in order}, options, key)


def chosen(path: str | Path, held: dict[str, Any], key: str | None) -> str | None:
    """``key``; or if that is None, the first of ``SETS`` that exists, else the root.

    Raises:
        UserError: the checkpoint has no ``key``.
    """
    if key is None:
        return next((name for name in SETS if name in held), None)
    if key not in held:
        raise UserError(f"weights {path}: no {key!r} in it; it holds {listed(held)}")
    return key


def _compared(weights: StateDict, options: dict[str, Any]) -> tuple[str, list[str]]:
    """Why ``weights`` do not fit an SSIU, empty if they do; and that SSIU's parameter names in order."""
    from ssiu_arch.archs.ssiu_arch import SSIU

    counts = Counter(int(found[1]) for found in map(STAGE.match, weights) if found)
    gaps = [t for t in range(options["num_block"]) if counts[t] < LEAST_OF_STAGE]
    if gaps:  # before a network is built, which could have a million
        return f"{len(gaps)} of {options['num_block']} stages are missing (stages.{gaps[0]})", []
    try:
        with torch.device("meta"):
            net = SSIU(**options).state_dict()
    except ValueError as error:
        return str(error), []
    absent, unknown = [name for name in net if name not in weights], [name for name in weights if name not in net]
    for names, what in ((absent, "missing"), (unknown, "unknown")):
        if names:
            return f"{len(names)} parameters {what} ({listed(names, 1)})", []
    for name in net:
        if weights[name].shape != net[name].shape:
            return f"{name} is {tuple(weights[name].shape)} instead of {tuple(net[name].shape)}", []
        if weights[name].dtype not in FLOATS:
            return f"{name} is {weights[name].dtype}, not floating point", []
    return "", list(net)
