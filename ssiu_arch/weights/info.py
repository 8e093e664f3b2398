"""What a weight file holds, as text for ``ssiu convert --info``."""

from collections import Counter
from pathlib import Path
from typing import Any

from torch import Tensor

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import DIGITS, file_hash, size_text
from ssiu_arch.weights.reading import (
    FLOATS,
    StateDict,
    bare_names,
    is_safetensors,
    is_set,
    listed,
    metadata,
    non_finite,
    read_checkpoint,
    shown,
    tensors_of,
)
from ssiu_arch.weights.ssiu import Weights, chosen, find_ssiu, fingerprint, other_sets, set_name

TRAINING_STATE = {"epoch", "iter", "optimizers", "schedulers"}  # what BasicSR saves beside the weights
Facts = list[tuple[str, str]]


def describe(path: Path, key: str | None) -> Facts:
    """Names and values of the facts about a weight file.

    Args:
        path: a file of torch.save or safetensors: of an SSIU, another network, or a training state of BasicSR.
        key: the set of weights to describe; None: the one that ``load`` uses.

    Raises:
        UserError: the file cannot be read, or has no ``key``.
    """
    held = read_checkpoint(path)
    key = chosen(path, held, key)
    size = path.stat().st_size
    facts = [
        ("format", _format(path, held)),
        ("size", f"{size_text(size)} ({size:,} bytes)"),
        ("sha256", f"{file_hash(path)} (first {DIGITS} digits)"),
        *_contents(path, held),
    ]
    if _is_training_state(held):
        return [*facts, ("weights", f"none here; the run saves them as models/net_g_{shown(held['iter'])}.pth")]
    try:
        weights = bare_names(tensors_of(path, held, key))
    except UserError as error:
        return [*facts, ("weights", f"none: {_reason(path, error)}")]
    try:
        found = find_ssiu(path, held, key)
    except UserError as error:
        network: Facts = [("network", f"unknown: {_reason(path, error)}")]
    else:
        network, weights = _network(found), found.tensors
    return [*facts, *network, *_weights(weights), ("taken", _taken(path, held, key))]


def _format(path: Path, held: dict[str, Any]) -> str:
    if is_safetensors(path):
        return "safetensors"
    if _is_training_state(held):
        return "BasicSR training state, to resume basicsr train from"
    if "params" in held or "params_ema" in held:
        return "BasicSR"
    return "authors' release" if "model_state_dict" in held else "torch.save"


def _contents(path: Path, held: dict[str, Any]) -> Facts:
    at_root = sum(isinstance(value, Tensor) for value in held.values())
    entries = [f"{_tensors(at_root)} at the root"] if at_root else []
    for name, value in held.items():
        if is_set(value):
            entries.append(f"{shown(name)} ({_tensors(len(value))})")
        elif not isinstance(value, Tensor):
            entries.append(f"{shown(name)} {value}" if type(value) in (int, float, bool) else shown(name))
    said = metadata(path) if is_safetensors(path) else {}
    words = [("metadata", listed((f"{name} {value}" for name, value in sorted(said.items())), 12))] if said else []
    return [("holds", listed(entries)), *words]


def _network(found: Weights) -> Facts:
    options = found.options
    return [
        ("network", found.variant),
        ("scale", f"x{options['upscale']}"),
        ("width", f"{options['num_feat']} features (num_feat)"),
        ("stages", f"{options['num_block']} (num_block)"),
        ("heads", f"{options['num_head']} (num_head)"),
        ("channels", f"{options['num_in_ch']} (num_in_ch)"),
    ]


def _weights(weights: StateDict) -> Facts:
    types = Counter(str(value.dtype).removeprefix("torch.") for value in weights.values())
    counted = ", ".join(types) if len(types) == 1 else ", ".join(f"{name} ({n})" for name, n in types.items())
    floats = [value.aminmax() for value in weights.values() if value.dtype in FLOATS and value.numel()]
    span = f", {min(v.min.item() for v in floats):.4g} to {max(v.max.item() for v in floats):.4g}" if floats else ""
    count = sum(value.numel() for value in weights.values())
    return [
        ("parameters", f"{count:,} in {_tensors(len(weights))}, {counted}"),
        ("values", non_finite(weights) or f"finite{span}"),
        ("weights", f"{fingerprint(weights)} (hash of names and values, the same in every format)"),
    ]


def _taken(path: Path, held: dict[str, Any], key: str | None) -> str:
    others = other_sets(path, held, key)
    compared = [f"{shown(name)} {'is the same' if same else 'differs'}" for name, same in others.items()]
    return "; ".join([set_name(key), *compared])


def _tensors(count: int) -> str:
    return f"{count} tensor{'' if count == 1 else 's'}"


def _is_training_state(held: dict[str, Any]) -> bool:
    return held.keys() >= TRAINING_STATE


def _reason(path: Path, error: UserError) -> str:
    return str(error).removeprefix(f"weights {path}: ")
