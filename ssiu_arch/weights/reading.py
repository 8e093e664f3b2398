"""Reading weight files: no code in a file is ever run, and every defect gives a one-line error."""

import os
import re
import tarfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from torch import Tensor

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.extras import require
from ssiu_arch.utils.files import zip_damage

StateDict = dict[str, Tensor]
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
SAFETENSORS = ".safetensors"
REFUSED = re.compile(r"(?:Unsupported global: GLOBAL|unsupported GLOBAL|Unsupported class) ([\w.]+)")  # torch's words
ADVICE = (  # starts of lines in torch's errors that give no reason
    "Weights only load failed",
    "(1)",
    "(2)",
    "Please file an issue",
    "Check the documentation",
)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Everything that a file of torch.save holds, or the tensors of a safetensors file, on the CPU.

    Raises:
        UserError: the file is missing, unreadable, or holds Python objects other than tensors and plain values.
    """
    path = Path(path)
    if not os.path.isfile(path):  # where pathlib raises, as for a name that is too long, os.path says no
        kind = "is a folder" if os.path.isdir(path) else "is not a file but a device, pipe or socket"
        raise UserError(f"weights {path}: {f'{kind}; name a file' if os.path.exists(path) else 'no such file'}")
    held = _plain(_read_safetensors(path) if is_safetensors(path) else _read_torch(path))
    if not isinstance(held, dict):
        raise UserError(f"weights {path}: holds a {type(held).__name__}, not a dict of tensors")
    return held


def _plain(value: Any, depth: int = 2) -> Any:
    """A checkpoint, its sets and their tensors, without the attributes that a pickle can set to shadow methods."""
    if isinstance(value, Tensor):
        return Tensor.detach(value)
    if isinstance(value, dict) and depth:
        return {name: _plain(entry, depth - 1) for name, entry in dict.items(value)}
    return value


def read_state_dict(path: str | Path, param_key: str | None) -> StateDict:
    """The weights that BasicSR's ``load_network`` takes from ``path``, without ``module.`` and ``_orig_mod.``.

    Args:
        path: the checkpoint.
        param_key: ``param_key_g`` of the option file; ``params`` is used if the key is missing; None: the root.

    Raises:
        UserError: as ``read_checkpoint``; or the key is missing or names no weights; or a value is NaN or infinite; or
            the file is safetensors.
    """
    held = read_checkpoint(path)
    if is_safetensors(path):
        raise UserError(
            f"weights {path}: BasicSR cannot read safetensors; convert it: ssiu convert {path} -o "
            f"{Path(path).with_suffix('.pth')}"
        )
    if param_key is not None:
        if param_key not in held and "params" in held:
            param_key = "params"
        if param_key not in held:
            if all(isinstance(value, Tensor) for value in held.values()):
                hint = "its tensors are at the root: write path.param_key_g: ~"
            else:
                hint = f"it holds {listed(held)}: name one of them in path.param_key_g"
            raise UserError(f"weights {path}: no {param_key!r} in it; {hint}")
    weights = bare_names(tensors_of(path, held, param_key))
    check_finite(path, weights)
    return weights


def tensors_of(path: str | Path, held: dict[str, Any], key: str | None) -> StateDict:
    """The set of weights that a checkpoint has under ``key``; None: at its root.

    Raises:
        UserError: it holds something other than dense tensors with names, or a tensor claims more than the file has.
    """
    found = held if key is None else held[key]
    where = f"weights {path}: " + ("" if key is None else f"{shown(key)}: ")
    if not isinstance(found, dict):
        raise UserError(f"{where}holds a {type(found).__name__}, not a dict of tensors")
    if not found:
        raise UserError(f"{where}is empty")
    sets = [name for name, value in found.items() if is_set(value)]
    if key is None and sets:
        raise UserError(f"{where}has no weights at its root; name one of its sets as the key: {listed(sets)}")
    size = os.path.getsize(path)  # all formats are uncompressed
    for name, value in found.items():
        if not isinstance(name, str) or not name.isprintable():
            raise UserError(f"{where}{shown(name)}, a {type(name).__name__}, is not a parameter name")
        if not isinstance(value, Tensor):
            raise UserError(f"{where}{shown(name)} is a {type(value).__name__}, not a tensor")
        dense = value.layout == torch.strided and not (value.is_quantized or value.is_nested)
        if not dense or value.device.type != "cpu":
            raise UserError(f"{where}{shown(name)} is not a dense CPU tensor ({value.layout}, {value.device})")
        if value.numel() * value.element_size() > min(size, value.untyped_storage().nbytes()):
            raise UserError(f"{where}{shown(name)} claims {value.numel():,} values, more than the file holds")
    return {name: value.resolve_conj().resolve_neg() for name, value in found.items()}


def is_set(value: object) -> bool:
    """Whether an entry of a checkpoint is a set of weights: a dict of tensors, not empty."""
    return isinstance(value, dict) and bool(value) and all(isinstance(tensor, Tensor) for tensor in value.values())


def non_finite(weights: StateDict) -> str:
    """How many values are NaN or infinite, and where; empty if none."""
    counts = {name: int((~value.isfinite()).sum()) for name, value in weights.items() if value.dtype in FLOATS}
    where = [name for name, count in counts.items() if count]
    return f"{sum(counts.values()):,} NaN or infinite, in {listed(where, 3)}" if where else ""


def check_finite(path: str | Path, weights: StateDict) -> None:
    """Raise ``UserError`` if a value is NaN or infinite: every image would be as well."""
    if found := non_finite(weights):
        raise UserError(f"weights {path}: values are {found}: the training diverged; use an earlier checkpoint")


def bare_names(weights: StateDict) -> StateDict:
    """``weights`` without the prefixes of wrappers: ``module.`` and, from ``torch.compile``, ``_orig_mod.``."""
    return {name.removeprefix("module.").removeprefix("_orig_mod."): value for name, value in weights.items()}


def is_safetensors(path: str | Path) -> bool:
    """Whether a file is safetensors, by its suffix or by its ninth byte, which opens a JSON header.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return Path(path).suffix.lower() == SAFETENSORS or file.read(9)[8:] == b"{"
    except OSError as error:
        raise UserError(f"weights {path}: cannot be read ({error.strerror})") from error


def metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a safetensors file that ``read_checkpoint`` has read."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.metadata() or {}


def shown(name: object) -> str:
    """A name from a file, safe to print: short, one line, no control characters."""
    text = str(name) if isinstance(name, (str, int, float)) else f"a {type(name).__name__}"
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 80 else f"{text[:77]}..."


def listed(names: Iterable[object], most: int = 8) -> str:
    """The first of ``names``, separated by commas."""
    names = list(names)
    return ", ".join([*map(shown, names[:most]), *(["..."] if len(names) > most else [])]) or "nothing"


def _read_safetensors(path: Path) -> StateDict:
    require("safetensors", "safetensors", f"weights {path}")
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:  # a hostile header fails anywhere in safetensors or torch
        raise UserError(f"weights {path}: damaged, or not a safetensors file ({_reason(error)})") from error


def _read_torch(path: Path) -> Any:
    """What ``torch.save`` wrote, in its zip format or the older one: tensors and plain values."""
    if not path.stat().st_size:
        raise UserError(f"weights {path}: is empty (0 bytes)")
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\3\4"  # as torch.load decides
    objects = damage = None
    try:
        objects = _beyond_tensors(path, zipped)
        damage = zip_damage(path) if zipped else None
        if not (objects or damage):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about pickle's protocols; an error follows, or nothing
                return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for a damaged file
        asked = REFUSED.search(str(error))
        objects, damage = (f"asks for {asked[1]}", None) if asked else (None, _reason(error))
    if objects:
        raise UserError(
            f"weights {path}: holds Python objects besides tensors ({objects}), which could run code; nothing has "
            "been run. Get a file of tensors alone, as torch.save(net.state_dict(), FILE) writes"
        )
    raise UserError(f"weights {path}: damaged, or not a torch.save file ({shown(damage)})")


def _beyond_tensors(path: Path, zipped: bool) -> str | None:
    """What in a file ``weights_only`` does not refuse, though it is more than tensors; None if there is nothing.

    TorchScript and .tar files run code up to torch 2.5. A bytearray fills memory by its length, which takes no bytes.
    """
    if not zipped and tarfile.is_tarfile(path):
        return "is a .tar file of torch 0.1"
    if not zipped:
        pickles = [path.read_bytes()]
    else:
        with ZipFile(path) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                return "is a TorchScript program"
            parts = [part for part in archive.infolist() if part.filename.endswith(".pkl")]
            pickles = [archive.open(part).read(path.stat().st_size) for part in parts]  # a bomb holds more
    return "asks for bytearray" if any(b"bytearray" in data for data in pickles) else None


def _reason(error: Exception) -> str:
    """The line of an error that gives the reason, without torch's advice to load unchecked."""
    lines = [line.strip().removeprefix("WeightsUnpickler error: ") for line in str(error).splitlines()]
    reasons = [line.partition(" In PyTorch 2.6")[0] for line in lines if line and not line.startswith(ADVICE)]
    return shown(reasons[0] if reasons and not isinstance(error, KeyError) else "it is no pickle of torch")
