"""The known options of BasicSR, ``PairedImageDataset`` and the models: their names and allowed values."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ssiu_arch.checks.finding import did_you_mean
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


def _is_text(value: Any) -> bool:
    """Whether ``value`` is text that can name a file."""
    return isinstance(value, str) and value.isprintable() and max(map(len, value.encode().split(b"/"))) < 256


def _one_of(*values: str) -> Kind:
    return Kind(" or ".join(values), lambda value: value in values)


TEXT = Kind("text", _is_text)
NAME = Kind(
    "a folder name, without / and ..",
    lambda value: _is_text(value) and 0 < len(value) <= 200 and not {*value} & {*"/\\"} and value not in (".", ".."),
)
TEMPLATE = Kind("text with {} for the image's name", lambda value: isinstance(value, str) and "{}" in value)
SUFFIX = Kind("text without a slash", lambda value: not isinstance(value, (dict, list)) and "/" not in str(value))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
NUMBER = Kind("a number", _is_number)
FRACTION = Kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
POSITIVE = Kind("a number above 0", lambda value: _is_number(value) and value > 0)
FREQUENCY = Kind("a whole number, at least 1", lambda value: _is_number(value) and value == int(value) >= 1)
COUNT = Kind(FREQUENCY.what, lambda value: isinstance(value, int) and FREQUENCY.fits(value))
WORKERS = Kind("a whole number, at least 0", lambda value: isinstance(value, int) and _is_number(value) and value >= 0)
SEED = Kind("a whole number from 0 to 2^32 - 1", lambda value: WORKERS.fits(value) and value < 2**32)
GPUS = Kind("a whole number, or auto", lambda value: value == "auto" or WORKERS.fits(value))
TILE = Kind("a whole number, at least 32", lambda value: COUNT.fits(value) and value >= 32)
COMPILE = Kind("true, false or arguments of torch.compile", lambda value: isinstance(value, (bool, dict)))
MAPPING = Kind("a mapping of options", lambda value: isinstance(value, dict))
LIST = Kind("a list", lambda value: isinstance(value, list))


def _options(*lines: tuple[Kind, str]) -> dict[str, Kind]:
    """The kind of each option; a line lists all options of one kind, with ``!`` those that may not be empty (``~``)."""
    return {
        name.rstrip("!"): replace(kind, null=not name.endswith("!")) for kind, names in lines for name in names.split()
    }


ROOT = _options(
    (NAME, "name!"),
    (TEXT, "model_type"),
    (COUNT, "scale"),
    (GPUS, "num_gpu"),
    (SEED, "manual_seed"),
    (FLAG, "find_unused_parameters"),
    (MAPPING, "datasets path train val logger dist_params"),
)
PATH = _options((TEXT, "resume_state"), (LIST, "ignore_resume_networks"))
PATH_OF_NETWORK = _options((TEXT, "pretrain_network_ param_key_"), (FLAG, "strict_load_"))
LOGGER = _options((FREQUENCY, "print_freq! save_checkpoint_freq!"), (FLAG, "use_tb_logger"), (MAPPING, "wandb"))
VAL = _options((FREQUENCY, "val_freq!"), (FLAG, "save_img pbar bicubic"), (SUFFIX, "suffix"), (MAPPING, "metrics"))
SSIU_VAL = VAL | _options(
    (FLAG, "fast cuda_graphs"),
    (_one_of(*PRECISIONS), "precision"),
    (COMPILE, "compile"),
    (TILE, "tile"),
    (WORKERS, "tile_overlap"),
)
METRIC = _options(
    (TEXT, "type convert_to"),
    (_one_of("higher", "lower"), "better"),
    (WORKERS, "crop_border!"),
    (_one_of("HWC", "CHW"), "input_order"),
    (FLAG, "test_y_channel float_output"),
)
METRICS = ("calculate_psnr", "calculate_ssim", "calculate_psnr_pt", "calculate_ssim_pt", "calculate_niqe")
PAIRED = _options(
    (NAME, "name!"),
    (TEXT, "type phase dataroot_gt dataroot_lq meta_info_file color"),
    (COUNT, "scale gt_size batch_size_per_gpu num_prefetch_queue!"),
    (WORKERS, "num_worker_per_gpu"),
    (POSITIVE, "dataset_enlarge_ratio!"),
    (FLAG, "use_hflip use_rot pin_memory persistent_workers"),
    (_one_of("cpu", "cuda"), "prefetch_mode"),
    (TEMPLATE, "filename_tmpl!"),
    (LIST, "mean std"),
    (MAPPING, "io_backend"),
)
TRAIN = _options(
    (FREQUENCY, "total_iter"),
    (NUMBER, "warmup_iter!"),
    (FRACTION, "ema_decay!"),
    (MAPPING, "optim_g scheduler pixel_opt perceptual_opt"),
)
SSIU_TRAIN = TRAIN | _options(
    (MAPPING, "fft_opt"),
    (COUNT, "micro_batch_size"),
    (POSITIVE, "grad_clip"),
    (FLAG, "skip_non_finite channels_last checkpointing"),
    (_one_of(*TRAINING_PRECISIONS), "precision"),
    (COMPILE, "compile"),
)
LOSS = _options((TEXT, "type"), (NUMBER, "loss_weight! fft_weight! eps!"), (_one_of("mean", "sum"), "reduction"))
MODELS = {"SRModel": (TRAIN, VAL), "SSIUModel": (SSIU_TRAIN, SSIU_VAL)}  # all options of these are known


def problems(opt: Options) -> list[str]:
    """One line for each option with a wrong value, or with a name that is not text."""
    found = [f"{where}: the option name {key!r} is not text: put it in quotes" for where, key in _odd(opt)]
    for where, section, kinds, _ in () if found else _sections(opt):
        for key, value in section.items():
            kind = kinds.get(key)
            if kind and value is None and not kind.null:
                found.append(f"{where}{key} is empty: write {kind.what}, or remove it")
            elif kind and value is not None and not kind.fits(value):
                found.append(f"{where}{key} ({shown(value)}) must be {kind.what}")
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
    for where, section, kinds, is_complete in _sections(opt):
        for key in section if is_complete else ():
            if key not in kinds:
                lines.append(f"{where}{key} is an unknown option, nothing reads it{did_you_mean(key, kinds)}")
    return lines


def _sections(opt: Options) -> Iterator[tuple[str, Options, dict[str, Kind], bool]]:
    """Yield each section: its prefix, its options, their kinds, and whether these are all options that it can have."""
    model = str(opt.get("model_type"))
    of_train, of_val = MODELS.get(model, (TRAIN, VAL))
    networks = [key for key in opt if key.startswith("network_")]
    yield "", opt, ROOT | dict.fromkeys(networks, MAPPING), model in MODELS
    path = {start + key[len("network_") :]: kind for key in networks for start, kind in PATH_OF_NETWORK.items()}
    yield "path.", opt.get("path") or {}, PATH | path, True
    yield "logger.", opt.get("logger") or {}, LOGGER, True
    val, train = opt.get("val") or {}, opt.get("train") or {}
    yield "val.", val, of_val, model in MODELS
    metrics = val["metrics"] if isinstance(val.get("metrics"), dict) else {}
    yield "val.metrics.", metrics, dict.fromkeys(metrics, MAPPING), True
    for name, metric in _mappings(metrics):
        yield f"val.metrics.{name}.", metric, METRIC, metric.get("type") in METRICS
    yield "train.", train, of_train, model in MODELS
    for name, section in _mappings(train):
        if name.endswith("_opt"):
            yield f"train.{name}.", section, LOSS, False  # ``training.check`` compares them with the loss's signature
    yield "datasets.", opt["datasets"], dict.fromkeys(opt["datasets"], MAPPING), True
    for phase, dataset in _mappings(opt["datasets"]):
        yield f"datasets.{phase}.", dataset, PAIRED, dataset.get("type") == "PairedImageDataset"


def _mappings(section: Any) -> Iterator[tuple[str, Options]]:
    items = section.items() if isinstance(section, dict) else ()
    return ((key, value) for key, value in items if isinstance(value, dict))


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
