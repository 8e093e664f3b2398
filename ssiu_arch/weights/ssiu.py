"""The weights of an SSIU in a file, their network, and what ``ssiu convert --info`` says of them."""

import hashlib
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import DIGITS, file_hash, size_text
from ssiu_arch.weights.options import ssiu_options
from ssiu_arch.weights.reading import (
    FLOATS,
    StateDict,
    check_finite,
    chosen,
    is_set,
    listed,
    misfit,
    non_finite,
    read_sets,
    set_name,
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
BOOKKEEPING = re.compile(  # counters that AveragedModel, THOP, BatchNorm and EMA packages save among the weights
    r"(.*\.)?(n_averaged|total_ops|total_params|num_batches_tracked|num_updates|initted|step|decay)"
)
LEAST = 20  # parameters a stage, of 45 or 47
log = logging.getLogger("basicsr")


class Weights(NamedTuple):
    """The weights of an SSIU, by our names in the network's order; the arguments of ``SSIU``; the key of their set."""

    tensors: StateDict
    options: dict[str, Any]
    key: Any


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


def read_ssiu(path: str | Path, key: str | None = None) -> tuple[StateDict, dict[str, Any]]:
    """The weights of an SSIU by our names, and the arguments of ``SSIU`` that fit them.

    Args:
        path: a checkpoint of BasicSR, a file that the authors released, or safetensors.
        key: the set of weights in the file; None: the first of ``SETS`` that exists, else the only set, else the root.

    Raises:
        UserError: as ``read_checkpoint``; or the set is missing, or does not fit an SSIU.
    """
    return find_ssiu(path, key)[:2]


def find_ssiu(path: str | Path, key: str | None = None) -> Weights:
    """As ``read_ssiu``, with the key of the set."""
    held = read_sets(path)
    asked, key = key, chosen(path, held, SETS, key)
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
    """The weights by our names: without a wrapper's prefix, such as ``net_g.`` or ``model.``, and bookkeeping."""
    from ssiu_arch.archs.ssiu_arch import rename_released

    kept = {n: value for n, value in found.items() if value.numel() > 1 or not BOOKKEEPING.fullmatch(n)}
    if dropped := found.keys() - kept.keys():
        kinds = sorted({name.rpartition(".")[2] for name in dropped})
        log.warning(f"weights {path}: leaves out {', '.join(kinds)} ({len(dropped)} counters of other tools)")
    prefix = next((name.removesuffix("head.weight") for name in kept if f".{name}".endswith(".head.weight")), "")
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


def describe(path: Path, key: str | None) -> list[tuple[str, str]]:
    """Names and values of the facts about a weight file, of an SSIU or not, and its set ``key`` (None: as ``load``).

    Raises:
        UserError: the file cannot be read, or has no ``key``.
    """
    held = read_sets(path)
    key = chosen(path, held, SETS, key)
    roots = sum(isinstance(value, Tensor) for value in held.values())
    entries = [f"{roots} tensors at the root"] if roots else []
    others = [(shown(name), value) for name, value in held.items() if not isinstance(value, Tensor)]
    entries += [f"{name} ({len(value)} tensors)" if is_set(value) else name for name, value in others]
    size, where = path.stat().st_size, f"weights {path}: "
    facts = [
        ("size", f"{size_text(size)} ({size:,} bytes)"),
        ("sha256", f"{file_hash(path)} (first {DIGITS} digits)"),
        ("holds", listed(entries)),
    ]
    try:
        weights = tensors_of(path, held, key)
    except UserError as error:
        return [*facts, ("weights", f"none: {str(error).removeprefix(where)}")]
    try:
        found = find_ssiu(path, key)
        network, weights = f"SSIU: {', '.join(f'{name} {n}' for name, n in found.options.items())}", found.tensors
    except UserError as error:
        network = f"unknown: {str(error).removeprefix(where)}"
    types = sorted({str(value.dtype).removeprefix("torch.") for value in weights.values()})
    count = sum(value.numel() for value in weights.values())
    same = [f"; {shown(n)} {'is the same' if same else 'differs'}" for n, same in other_sets(path, held, key).items()]
    return [
        *facts,
        ("network", network),
        ("parameters", f"{count:,} in {len(weights)} tensors, {', '.join(types)}"),
        ("values", non_finite(weights) or "finite"),
        ("weights", f"{fingerprint(weights)} (hash of names and values, the same in every format)"),
        ("taken", set_name(key) + "".join(same)),
    ]


def other_sets(path: str | Path, held: dict[Any, Any], key: object) -> dict[Any, bool]:
    """The other sets of weights in a checkpoint, and whether each equals the one under ``key`` to the bit."""

    def digest(name: object) -> str | None:
        try:
            return fingerprint(tensors_of(path, held, name))
        except UserError:  # it cannot be used
            return None

    sets = [name for name, value in held.items() if name != key and is_set(value)]
    taken = digest(key) if sets else None
    return {name: digest(name) == taken for name in sets}


def _compared(weights: StateDict, options: dict[str, Any]) -> tuple[str, list[str]]:
    """Why ``weights`` do not fit an SSIU, empty if they do; and that SSIU's parameter names in order."""
    from ssiu_arch.archs.ssiu_arch import SSIU

    if len(weights) < LEAST * options["num_block"]:  # before a network is built, which could have thousands of stages
        return f"they name {options['num_block']} stages, and {len(weights)} parameters are too few for them", []
    try:
        with torch.device("meta"):
            net = SSIU(**options).state_dict()
    except ValueError as error:
        return str(error), []
    others = [f"{name} is {value.dtype}" for name, value in weights.items() if value.dtype not in FLOATS]
    return misfit(weights, net) or (f"{listed(others, 1)}, not floating point" if others else ""), list(net)
