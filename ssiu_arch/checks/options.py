"""The known options of BasicSR, ``PairedImageDataset`` and the models: their names and allowed values."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.precisions import PRECISIONS, TRAINING_PRECISIONS

Options = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """The allowed values of an option.

    Attributes:
        what: a description for messages.
        fits: whether a value is allowed.
        null: whether an empty value (``~``) means the same as a missing option.
    """

    what: str
    fits: Callable[[Any], bool]
    null: bool = True


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and value == int(value)


def _is_text(value: Any) -> bool:
    """Whether ``value`` is text that can name a file."""
    return isinstance(value, str) and value.isprintable() and max(map(len, value.encode().split(b"/"))) < 256


def _is_folder_name(value: Any) -> bool:
    if not _is_text(value) or len(value) > 200:
        return False
    path = PurePath(value)
    return len(path.parts) == 1 and not path.is_absolute() and ".." not in path.parts and "\\" not in value


def _is_template(value: Any) -> bool:
    try:
        return isinstance(value, str) and "{" in value and bool(value.format("name"))
    except (KeyError, IndexError, ValueError, AttributeError, TypeError):
        return False


def _one_of(*values: str) -> Kind:
    return Kind(" or ".join(values), lambda value: value in values)


ANYTHING = Kind("anything", lambda value: True)
TEXT = Kind("text", _is_text)
NAME = Kind("a folder name, without / and ..", _is_folder_name, null=False)
TEMPLATE = Kind("text with {} for the image's name", _is_template, null=False)
SUFFIX = Kind("text without a slash", lambda value: not isinstance(value, (dict, list)) and "/" not in str(value))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
NUMBER = Kind("a number", _is_number, null=False)
FRACTION = Kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1, null=False)
POSITIVE = Kind("a number above 0", lambda value: _is_number(value) and value > 0)
TIMES = Kind("a number above 0", POSITIVE.fits, null=False)
FREQUENCY = Kind("a whole number, at least 1", lambda value: _is_whole(value) and value >= 1, null=False)
COUNT = Kind(FREQUENCY.what, lambda value: isinstance(value, int) and FREQUENCY.fits(value))
WORKERS = Kind("a whole number, at least 0", lambda value: isinstance(value, int) and _is_whole(value) and value >= 0)
BORDER = Kind(WORKERS.what, WORKERS.fits, null=False)
SEED = Kind("a whole number from 0 to 2^32 - 1", lambda value: WORKERS.fits(value) and value < 2**32)
GPUS = Kind("a whole number, or auto", lambda value: value == "auto" or WORKERS.fits(value))
COLOUR = Kind(
    "three numbers", lambda value: isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))
)
COMPILE = Kind("true, false or arguments of torch.compile", lambda value: isinstance(value, (bool, dict)))
MAPPING = Kind("a mapping of options", lambda value: isinstance(value, dict))
NAMES = Kind("a list of names", lambda value: isinstance(value, list))

ROOT = {
    "name": NAME,
    "model_type": TEXT,
    "scale": COUNT,
    "num_gpu": GPUS,
    "manual_seed": SEED,
    "dist_params": MAPPING,
    "find_unused_parameters": FLAG,
    **dict.fromkeys(("datasets", "path", "train", "val", "logger"), MAPPING),
}
PATH = {"resume_state": TEXT, "ignore_resume_networks": NAMES}
PATH_OF_NETWORK = {"pretrain_network_": TEXT, "param_key_": TEXT, "strict_load_": FLAG}
LOGGER = {"print_freq": FREQUENCY, "save_checkpoint_freq": FREQUENCY, "use_tb_logger": FLAG, "wandb": MAPPING}
VAL = {
    "val_freq": FREQUENCY,
    "save_img": FLAG,
    "suffix": SUFFIX,
    "pbar": FLAG,
    "metrics": MAPPING,
    "bicubic": FLAG,
}
SSIU_VAL = {
    **VAL,
    "fast": FLAG,
    "precision": _one_of(*PRECISIONS),
    "compile": COMPILE,
    "cuda_graphs": FLAG,
    "tile": Kind("a whole number, at least 32", lambda value: COUNT.fits(value) and value >= 32),
    "tile_overlap": WORKERS,
}
METRIC = {
    "type": TEXT,
    "better": _one_of("higher", "lower"),
    "crop_border": BORDER,
    "input_order": _one_of("HWC", "CHW"),
    "convert_to": TEXT,
    "test_y_channel": FLAG,
    "float_output": FLAG,
}
METRICS = ("calculate_psnr", "calculate_ssim", "calculate_psnr_pt", "calculate_ssim_pt", "calculate_niqe")
PAIRED = {
    "name": NAME,
    "type": TEXT,
    "phase": TEXT,
    "scale": COUNT,
    "dataroot_gt": TEXT,
    "dataroot_lq": TEXT,
    "io_backend": MAPPING,
    "num_worker_per_gpu": WORKERS,
    "batch_size_per_gpu": COUNT,
    "dataset_enlarge_ratio": TIMES,
    "prefetch_mode": _one_of("cpu", "cuda"),
    "num_prefetch_queue": Kind(COUNT.what, COUNT.fits, null=False),
    "pin_memory": FLAG,
    "persistent_workers": FLAG,
    "meta_info_file": TEXT,
    "filename_tmpl": TEMPLATE,
    "gt_size": COUNT,
    "use_hflip": FLAG,
    "use_rot": FLAG,
    "mean": COLOUR,
    "std": COLOUR,
    "color": TEXT,
}
TRAIN = {
    "total_iter": Kind(FREQUENCY.what, FREQUENCY.fits),
    "warmup_iter": NUMBER,
    "ema_decay": FRACTION,
    "optim_g": MAPPING,
    "scheduler": MAPPING,
    "pixel_opt": MAPPING,
    "perceptual_opt": MAPPING,
}
SSIU_TRAIN = {
    **TRAIN,
    "fft_opt": MAPPING,
    "micro_batch_size": COUNT,
    "grad_clip": POSITIVE,
    "skip_non_finite": FLAG,
    "precision": _one_of(*TRAINING_PRECISIONS),
    "compile": COMPILE,
    "channels_last": FLAG,
    "checkpointing": FLAG,
}
LOSS = {"type": TEXT, "loss_weight": NUMBER, "fft_weight": NUMBER, "reduction": _one_of("mean", "sum"), "eps": NUMBER}
MODELS = {"SRModel": (TRAIN, VAL), "SSIUModel": (SSIU_TRAIN, SSIU_VAL)}  # all options of these are known


def problems(opt: Options) -> list[str]:
    """One line for each option with a wrong value, or with a name that is not text."""
    found = [f"{where}: the option name {key!r} is not text: put it in quotes" for where, key in _odd(opt)]
    if found:
        return found
    sections = [("", opt, ROOT | _networks(opt, MAPPING))]
    while sections:
        where, section, kinds = sections.pop(0)
        for key, value in section.items():
            kind = kinds.get(key, ANYTHING)
            if value is None and not kind.null:
                found.append(f"{where}{key} is empty: write {kind.what}, or remove it")
            elif value is not None and not kind.fits(value):
                found.append(f"{where}{key} ({shown(value)}) must be {kind.what}")
        if not where and not found:
            sections += list(_sections(opt))
    return found


def check(opt: Options) -> None:
    """Raise ``UserError`` for the first of ``problems``."""
    for problem in problems(opt):
        raise UserError(problem)


def unknown(opt: Options) -> list[str]:
    """One line for each unknown option, with the name it resembles. ``opt`` must have passed ``check``.

    Options of models, data sets and losses of other packages are not checked.
    """
    lines = []
    known_model = opt["model_type"] in MODELS
    for where, section, kinds in [("", opt, ROOT | _networks(opt, MAPPING)), *_sections(opt)]:
        belongs = where.split(".")[0]
        if belongs in ("", "train", "val") and not known_model:
            continue
        if belongs == "datasets" and section.get("type") != "PairedImageDataset":
            continue
        if where.startswith("val.metrics.") and where != "val.metrics." and section.get("type") not in METRICS:
            continue
        if belongs == "train" and where != "train.":
            continue  # ``training.check`` compares the options of losses with their signatures
        for key in section:
            if key not in kinds:
                close = get_close_matches(key, kinds, n=1)
                meant = f"; did you mean {close[0]}?" if close else ""
                lines.append(f"{where}{key} is an unknown option, nothing reads it{meant}")
    return lines


def _sections(opt: Options) -> Iterator[tuple[str, Options, dict[str, Kind]]]:
    """Yield each section: its prefix, its options and their kinds."""
    names = [key.removeprefix("network_") for key in opt if key.startswith("network_")]
    path = {start + name: kind for name in names for start, kind in PATH_OF_NETWORK.items()}
    yield "path.", opt.get("path") or {}, PATH | path
    yield "logger.", opt.get("logger") or {}, LOGGER
    val, train = opt.get("val") or {}, opt.get("train") or {}
    kinds = MODELS.get(opt.get("model_type", ""), (TRAIN, VAL))
    yield "val.", val, kinds[1]
    metrics = val["metrics"] if isinstance(val.get("metrics"), dict) else {}
    yield "val.metrics.", metrics, dict.fromkeys(metrics, MAPPING)
    for name, metric in _mappings(metrics):
        yield f"val.metrics.{name}.", metric, METRIC
    yield "train.", train, kinds[0]
    for name, section in _mappings(train):
        if name.endswith("_opt"):
            yield f"train.{name}.", section, LOSS
    for phase, dataset in _mappings(opt.get("datasets")):
        yield f"datasets.{phase}.", dataset, PAIRED


def _mappings(section: Any) -> Iterator[tuple[str, Options]]:
    items = section.items() if isinstance(section, dict) else ()
    return ((key, value) for key, value in items if isinstance(value, dict))


def _networks(opt: Options, kind: Kind) -> dict[str, Kind]:
    return {key: kind for key in opt if key.startswith("network_")}


def _odd(node: Any, where: str = "the option file") -> Iterator[tuple[str, Any]]:
    """Yield each key that is not text, with its section: YAML reads ``yes:`` as true and ``4:`` as a number."""
    for key, value in node.items() if isinstance(node, dict) else ():
        if not isinstance(key, str):
            yield where, key
        yield from _odd(value, str(key))


def shown(value: Any) -> str:
    """``value`` for a message, at most 60 characters."""
    text = repr(dict(value) if isinstance(value, dict) else value)
    return text if len(text) < 60 else f"{text[:56]} ..."
