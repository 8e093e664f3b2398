"""Reading weight files: no code in a file is ever run, and every defect gives a one-line error."""

import io
import logging
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from pickletools import genops, markobject
from typing import IO, Any
from zipfile import ZipFile

import torch
from torch import Tensor

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.extras import require
from ssiu_arch.utils.files import zip_damage
from ssiu_arch.utils.memory import is_out_of_memory

StateDict = dict[str, Tensor]
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
SAFETENSORS = ".safetensors"
REFUSED = re.compile(r"(?:(?<=GLOBAL )|(?<=class ))[\w.]+|TorchScript")  # code, in torch's words
WRAPPED = re.compile(r"^(module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.")  # prefixes by DataParallel and torch.compile
TRAINING_STATE = {"epoch", "iter", "optimizers", "schedulers"}  # what BasicSR saves beside the weights
DEEPEST = 100  # levels of nesting in a pickle; training states have fewer than 20
IN_PLACE = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"}  # opcodes that change what they are given
MISTAKEN = {  # first bytes of what people download instead of a file, and what to do
    b"version https://git-lfs": "is a pointer of Git LFS: run git lfs pull, or download the file itself",
    b"<": "is a web page: download the file itself (on GitHub and Hugging Face by its download button)",
}
log = logging.getLogger("basicsr")


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Everything that a file of torch.save holds, or the tensors of a safetensors file, on the CPU.

    Raises:
        UserError: the file is missing, unreadable, or holds Python objects other than tensors and plain values.
    """
    path = Path(path)
    if not os.path.isfile(path):  # where pathlib raises, as for a name that is too long, os.path says no
        kind = "is a folder" if os.path.isdir(path) else "is not a file but a device, pipe or socket"
        raise UserError(f"weights {path}: {f'{kind}; name a file' if os.path.exists(path) else 'no such file'}")
    try:
        held = _plain(_read_safetensors(path) if is_safetensors(path) else _read_torch(path))
    except OSError as error:
        raise UserError(f"weights {path}: cannot be read ({error.strerror})") from error
    if not isinstance(held, dict):
        raise UserError(f"weights {path}: holds a {type(held).__name__}, not a dict of tensors")
    return held


def _plain(value: Any, depth: int = 3) -> Any:
    """A checkpoint, its sets and their tensors, without the attributes that a pickle can set to shadow methods."""
    if isinstance(value, Tensor):
        return Tensor.detach(value)
    if isinstance(value, dict) and depth:
        return {name: _plain(entry, depth - 1) for name, entry in dict.items(value)}
    return value


def read_sets(path: str | Path) -> dict[Any, Any]:
    """As ``read_checkpoint``, with sets of weights within an entry in its place, named such as ``model.params_ema``."""
    held: dict[Any, Any] = {}
    for name, value in read_checkpoint(path).items():
        inner = {} if is_set(value) or not isinstance(value, dict) else value
        sets = {f"{shown(name)}.{shown(key)}": entry for key, entry in inner.items() if is_set(entry)}
        held |= sets or {name: value}
    return held


def read_state_dict(path: str | Path, param_key: str | None) -> StateDict:
    """The weights that BasicSR's ``load_network`` takes from ``path``, without ``module.`` and ``_orig_mod.``.

    Args:
        path: the checkpoint.
        param_key: ``param_key_g`` of the option file, None for the root. If it is missing, ``params`` or else the only
            set of weights is used, and the log says so.

    Raises:
        UserError: as ``read_checkpoint``; or the key is missing or names no weights; or a value is NaN or infinite; or
            the file is safetensors.
    """
    held = read_sets(path)
    if is_safetensors(path):
        raise UserError(
            f"weights {path}: BasicSR cannot read safetensors; convert it: ssiu convert {path} -o "
            f"{Path(path).with_suffix('.pth')}"
        )
    key = used_key(path, held, param_key)
    weights = tensors_of(path, held, key)
    check_finite(path, weights)
    if key != param_key:
        log.info(f"weights {path}: have no {param_key or 'tensors at the root'}; uses {set_name(key)}")
    return weights


def used_key(path: str | Path, held: dict[Any, Any], param_key: str | None) -> Any:
    """The key of the weights that ``read_state_dict`` uses."""
    return param_key if param_key in held else chosen(path, held, [param_key, "params"] if param_key else [])


def chosen(path: str | Path, held: dict[Any, Any], wanted: Sequence[str], key: str | None = None) -> Any:
    """``key``, or if that is None: the key of the first of ``wanted``, else of the only set; None for the root.

    ``held`` is what ``read_sets`` returns. ``params_ema`` also stands for a set within an entry, ``model.params_ema``.

    Raises:
        UserError: there is no ``key``; or none of ``wanted`` and several other sets, or several of one name.
    """
    if key is not None and key not in held:
        raise UserError(f"weights {path}: no {key!r} in it; it holds {listed(held)}")
    if key is not None:
        return key
    dicts = [name for name, value in held.items() if isinstance(value, dict)]
    sets = [name for name in dicts if is_set(held[name])]
    exact = [name for name in wanted if name in dicts]
    inner = [name for key in wanted for name in sets if str(name).endswith(f".{key}")]
    if exact or len({name.rpartition(".")[0] for name in inner}) == 1:
        return (exact or inner)[0]
    if len(sets) > 1:
        raise UserError(f"weights {path}: holds several sets of weights; name one of them as the key: {listed(sets)}")
    return sets[0] if sets else None


def tensors_of(path: str | Path, held: dict[Any, Any], key: Any) -> StateDict:
    """The set of weights that a checkpoint has under ``key`` (None: at its root), by names without wrappers' prefixes.

    Raises:
        UserError: it holds something other than dense tensors with names, or they claim more than the file has.
    """
    found = held if key is None else held[key]
    where = f"weights {path}: " + ("" if key is None else f"{shown(key)}: ")
    if not isinstance(found, dict):
        raise UserError(f"{where}holds a {type(found).__name__}, not a dict of tensors")
    if not found:
        raise UserError(f"{where}is empty")
    if found.keys() >= TRAINING_STATE:
        saved = f"models/net_g_{shown(found['iter'])}.pth"
        raise UserError(f"{where}is a training state, to resume from; the weights of that iteration are in {saved}")
    size, claimed = os.path.getsize(path), 0  # all formats are uncompressed
    for name, value in found.items():
        if not isinstance(name, str) or not name.isprintable():
            raise UserError(f"{where}{shown(name)}, a {type(name).__name__}, is not a parameter name")
        if not isinstance(value, Tensor):
            raise UserError(f"{where}{shown(name)} is a {type(value).__name__}, not a tensor")
        dense = value.layout == torch.strided and not (value.is_quantized or value.is_nested)
        if not dense or value.device.type != "cpu":
            raise UserError(f"{where}{shown(name)} is not a dense CPU tensor ({value.layout}, {value.device})")
        bytes_of = value.numel() * value.element_size()
        claimed += bytes_of
        if bytes_of > min(size, value.untyped_storage().nbytes()) or claimed > 100 * size:  # networks may share some
            raise UserError(f"{where}{shown(name)} claims {value.numel():,} values, more than the file holds")
    bare = {WRAPPED.sub("", name): value.resolve_conj().resolve_neg() for name, value in found.items()}
    if len(bare) < len(found):
        raise UserError(
            f"{where}{len(found) - len(bare)} parameters appear twice, with module. or _orig_mod. and without"
        )
    return bare


def is_set(value: object) -> bool:
    """Whether an entry of a checkpoint is a set of weights: a dict of tensors, not empty."""
    return isinstance(value, dict) and bool(value) and all(isinstance(tensor, Tensor) for tensor in value.values())


def set_name(key: object) -> str:
    """What a set of weights is called in messages."""
    return "the tensors at the root" if key is None else shown(key)


def non_finite(weights: StateDict) -> str:
    """How many values are NaN or infinite, and where; empty if none."""
    counts = {name: int((~value.isfinite()).sum()) for name, value in weights.items() if value.dtype in FLOATS}
    where = [name for name, count in counts.items() if count]
    return f"{sum(counts.values()):,} NaN or infinite, in {listed(where, 3)}" if where else ""


def check_finite(path: str | Path, weights: StateDict) -> None:
    """Raise ``UserError`` if a value is NaN or infinite: every image would be as well."""
    if found := non_finite(weights):
        raise UserError(f"weights {path}: values are {found}: the training diverged; use an earlier checkpoint")


def misfit(weights: StateDict, wanted: StateDict) -> str:
    """How many names and shapes of ``weights`` are not those of ``wanted``, with the first of each; empty if none."""
    kinds = {
        "missing": [name for name in wanted if name not in weights],
        "unknown": [name for name in weights if name not in wanted],
        "of another shape": [
            f"{name} is {tuple(weights[name].shape)} instead of {tuple(value.shape)}"
            for name, value in wanted.items()
            if name in weights and weights[name].shape != value.shape
        ],
    }
    return "; ".join(f"{len(names)} parameters {what} ({listed(names, 3)})" for what, names in kinds.items() if names)


def is_safetensors(path: str | Path) -> bool:
    """Whether a file is safetensors, by its suffix or by its ninth byte, which opens a JSON header."""
    with open(path, "rb") as file:
        return Path(path).suffix.lower() == SAFETENSORS or file.read(9)[8:] == b"{"


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
        start = file.read(100)
    for mistaken, problem in MISTAKEN.items():
        if start.lstrip().startswith(mistaken):
            raise UserError(f"weights {path}: {problem}")
    zipped = start.startswith(b"PK\3\4")  # as torch.load decides
    try:
        _check_pickles(path, zipped)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle's protocols; an error follows, or nothing
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for a damaged file
        asked = REFUSED.search(str(error))
        problem = f"damaged, or not a torch.save file ({_reason(error)})"
        if is_out_of_memory(error):
            problem = "does not fit in the free memory"
        if asked:
            problem = (
                f"holds Python objects besides tensors (asks for {asked[0]}), which could run code; nothing has been "
                "run. Get a file of tensors alone, as torch.save(net.state_dict(), FILE) writes"
            )
        raise UserError(f"weights {path}: {problem}") from error


def _check_pickles(path: Path, zipped: bool) -> None:
    """Raise ``ValueError`` if a file is damaged, or a pickle in it stands for far more than its bytes."""
    pickles = [] if zipped else [path.read_bytes()]
    if zipped:
        with ZipFile(path) as archive:
            parts = [part for part in archive.infolist() if part.filename.lower().endswith(".pkl")]  # torch: any case
            if any(part.filename.endswith("/constants.pkl") for part in parts):
                raise ValueError("TorchScript")
            if damage := zip_damage(path):
                raise ValueError(damage)
            pickles = [archive.read(part) for part in parts]
    for data in pickles:
        if b"bytearray" in data:  # of a length that takes no bytes
            raise ValueError("Unsupported class bytearray")
        file = io.BytesIO(data)
        for _ in range(1 if zipped else 5):  # the older format: five pickles, then the values
            if file.tell() < len(data):
                _check_size(file)


def _check_size(pickle: IO[bytes]) -> None:
    # A pickle can refer to one object many times: forty tuples, each of them twice the one before, take 200 bytes and
    # stand for 2^40 objects. Whatever then copies, compares or hashes them (a tuple may be the key of a dict) walks
    # them all, and a million tuples within each other overflow the C stack. So this runs the pickle's stack machine
    # with two numbers in place of each object: how many objects are in it, references followed, and how deep they nest.
    stack: list[list[int]] = []
    marks: list[int] = []
    memo: dict[Any, list[int]] = {}
    for count, (code, argument, _) in enumerate(genops(pickle)):
        if code.name == "MARK":
            marks.append(len(stack))
        elif code.name.endswith("PUT"):
            memo[argument] = stack[-1]
        elif code.name.endswith("GET"):
            stack.append(memo[argument])
        else:
            before = code.stack_before
            start = marks.pop() - before.index(markobject) if markobject in before else len(stack) - len(before)
            parts = stack[start:]
            del stack[start:]
            size, depth = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
            if code.name in IN_PLACE:
                parts[0][:] = size, max([depth - 1, *(1 + part[1] for part in parts[1:])])
                stack.append(parts[0])
            elif code.stack_after:
                stack.append([size, depth])
            if size > 10**6 + 10 * count or depth > DEEPEST:
                raise ValueError(f"its pickle nests {depth} deep or stands for {size:.0e} objects")


def _reason(error: Exception) -> str:
    """The line of an error that gives the reason, without torch's advice to load unchecked."""
    text = str(error).partition("WeightsUnpickler error: ")[2] or str(error)
    line = text.strip().partition("\n")[0].partition(" In PyTorch 2.6")[0]
    is_clear = line and not re.search("eights.only", line) and not isinstance(error, LookupError)
    return shown(line if is_clear else "it is no pickle of torch")
