"""The weights of an SSIU: found in a file, recognised by names and shapes, checked against the network."""

import hashlib
import logging
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import DIGITS
from ssiu_arch.weights.options import STAGE, ssiu_options
from ssiu_arch.weights.reading import (
    FLOATS,
    StateDict,
    bare_names,
    check_finite,
    is_set,
    listed,
    read_checkpoint,
    shown,
    tensors_of,
)
from ssiu_arch.weights.shipped import weights_path

if TYPE_CHECKING:
    from ssiu_arch.archs.ssiu_arch import SSIU

SETS = (  # sets of weights in a checkpoint, the preferred one first
    *("params_ema", "params", "model_state_dict", "state_dict", "model"),
    *("net_g_ema", "net_g", "generator", "net", "network"),
)
HEAD = "head.weight"  # a parameter of every SSIU, in our names and in the authors'
BOOKKEEPING = re.compile(  # counters that AveragedModel, THOP, BatchNorm and EMA packages save among the weights
    r"(.*\.)?(n_averaged|total_ops|total_params|num_batches_tracked|num_updates|initted|step|decay)"
)
LEAST_OF_STAGE = 20  # parameters, of 45 or 47, below which a stage counts as missing
log = logging.getLogger("basicsr")


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
        UserError: see ``read_ssiu``; or a weight is NaN or infinite.
        ValueError: the weights are for another scale.
    """
    from ssiu_arch.archs.ssiu_arch import SSIU

    path = weights_path(path, scale)
    weights, options = read_ssiu(path, key)
    check_scale(path, options["upscale"], scale)
    net = SSIU(**options).float()  # whatever torch's default is
    net.load_state_dict(weights)
    check_finite(path, net.state_dict())
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
    asked, key = key, chosen(path, held, key)
    settled = asked is not None or str(key).endswith("_ema")  # BasicSR, too, takes EMA weights before the others
    differing = [] if settled else [name for name, same in other_sets(path, held, key).items() if not same]
    if differing:
        other = shown(differing[0])
        log.warning(f"weights {path}: uses {set_name(key)}; {other} differs, key={other} (--key {other}) uses that")
    found = tensors_of(path, held, key)
    weights = _by_our_names(path, found)
    options = ssiu_options(weights)
    if options is None:
        raise UserError(f"weights {path}: not an SSIU's; they are named {listed(found, 3)}")
    problem, order = _compared(weights, options)
    if problem:
        raise UserError(f"weights {path}: do not fit an SSIU: {problem}")
    return Weights({name: weights[name] for name in order}, options, key)


def _by_our_names(path: str | Path, found: StateDict) -> StateDict:
    """The weights by our names: without a wrapper's prefix, such as ``module.`` or ``model.``, and bookkeeping."""
    from ssiu_arch.archs.ssiu_arch import rename_released

    prefix = next((name.removesuffix(HEAD) for name in found if f".{name}".endswith(f".{HEAD}")), "")
    kept = {n: value for n, value in found.items() if value.numel() > 1 or not BOOKKEEPING.fullmatch(n)}
    if dropped := found.keys() - kept.keys():
        kinds = sorted({name.rpartition(".")[2] for name in dropped})
        log.warning(f"weights {path}: leaves out {', '.join(kinds)} ({len(dropped)} counters of other tools)")
    weights = {name.removeprefix(prefix): value for name, value in kept.items()}
    rename_released(weights)
    if len(weights) < len(kept):
        raise UserError(f"weights {path}: {len(kept) - len(weights)} parameters appear twice")
    return weights


def fingerprint(weights: StateDict) -> str:
    """A hash of names, types, shapes and values, the same in every format and order: 12 digits of a SHA-256."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode(errors="surrogatepass"))
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:DIGITS]


def other_sets(path: str | Path, held: dict[str, Any], key: str | None) -> dict[str, bool]:
    """The other sets of weights in a checkpoint, and whether each equals the one under ``key`` to the bit."""

    def digest(name: str | None) -> str | None:
        try:
            return fingerprint(bare_names(tensors_of(path, held, name)))
        except UserError:  # it cannot be used
            return None

    sets = [name for name, value in held.items() if name != key and is_set(value)]
    taken = digest(key) if sets else None
    return {name: digest(name) == taken for name in sets}


def set_name(key: str | None) -> str:
    """What a set of weights is called in messages."""
    return "the tensors at the root" if key is None else shown(key)


def chosen(path: str | Path, held: dict[str, Any], key: str | None) -> str | None:
    """``key``; or if that is None, the first of ``SETS`` that exists, else the only set, else the root.

    Raises:
        UserError: the checkpoint has no ``key``.
    """
    if key is None:
        sets = [name for name, value in held.items() if is_set(value)]
        named = [name for name in SETS if isinstance(held.get(name), dict)]
        return next(iter(named), sets[0] if len(sets) == 1 and HEAD not in held else None)
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
