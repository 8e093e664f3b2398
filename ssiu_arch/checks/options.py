"""The known options of BasicSR, ``PairedImageDataset`` and the models: their names and allowed values."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ssiu_arch.checks.finding import did_you_mean
from ssiu_arch.patches.training.dist_params import BACKENDS
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
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63


def _is_text(value: Any) -> bool:
    """Whether ``value`` is text that can name a file."""
    return isinstance(value, str) and value.isprintable() and max(map(len, value.encode().split(b"/"))) < 256


def _one_of(*values: str) -> Kind:
    return Kind(" or ".join(values), lambda value: value in values)


def _number(low: float, high: float) -> Kind:
    return Kind(f"a number from {low:,} to {high:,}", lambda value: _is_number(value) and low <= value <= high)


def _whole(low: int, high: int, types: Any = int) -> Kind:
    return Kind(
        f"a whole number from {low:,} to {high:,}",
        lambda value: _is_number(value) and isinstance(value, types) and value == int(value) and low <= value <= high,
    )


def _list_of(kind: Kind) -> Kind:
    return Kind(f"a list, each entry {kind.what}", lambda value: isinstance(value, list) and all(map(kind.fits, value)))


TEXT = Kind("text", _is_text)
NAME = Kind(
    "a folder name, without / and ..",
    lambda value: _is_text(value) and 0 < len(value) <= 200 and not {*value} & {*"/\\"} and value not in (".", ".."),
)
TEMPLATE = Kind(
    "text with one {} for the image's name",
    lambda value: _is_text(value) and "{}" in value and value.count("{") == value.count("}") == 1,
)
SUFFIX = Kind("text without a slash", lambda value: not isinstance(value, (dict, list)) and "/" not in str(value))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
NUMBER = Kind("a number", _is_number)
NOT_NEGATIVE = Kind("a number, at least 0", lambda value: _is_number(value) and value >= 0)
POSITIVE = Kind("a number above 0", lambda value: _is_number(value) and value > 0)
FRACTION = _number(0, 1)
RATIO = Kind("a number above 0, at most 10,000", lambda value: POSITIVE.fits(value) and value <= 10_000)
SECONDS = _number(1, 10**8)
FREQUENCY = _whole(1, 10**9, (int, float))  # 5e3 is one
ITERATION = _whole(0, 10**9, (int, float))
WARM_UP = _whole(-1, 10**9, (int, float))
COUNT = _whole(1, 10**6)
PIXELS = _whole(0, 10**6)
WORKERS = _whole(0, 256)
SEED = _whole(0, 2**31 - 1)  # BasicSR adds the number of a worker, and NumPy takes 32 bits
GPUS = Kind("a whole number from 0 to 64, or auto", lambda value: value == "auto" or _whole(0, 64).fits(value))
TILE = _whole(32, 10**6)
COMPILE = Kind("true, false or arguments of torch.compile", lambda value: isinstance(value, (bool, dict)))
MAPPING = Kind("a mapping of options", lambda value: isinstance(value, dict))


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
DIST = _options((_one_of(*BACKENDS), "backend"), (SECONDS, "timeout!"), (COUNT, "port"))
PATH = _options((TEXT, "resume_state"), (_list_of(TEXT), "ignore_resume_networks"))
PATH_OF_NETWORK = _options((TEXT, "pretrain_network_ param_key_"), (FLAG, "strict_load_"))
LOGGER = _options((FREQUENCY, "print_freq! save_checkpoint_freq!"), (FLAG, "use_tb_logger"), (MAPPING, "wandb"))
WANDB = _options((TEXT, "project resume_id"))
VAL = _options((FREQUENCY, "val_freq!"), (FLAG, "save_img pbar bicubic"), (SUFFIX, "suffix"), (MAPPING, "metrics"))
SSIU_VAL = VAL | _options(
    (FLAG, "fast cuda_graphs"),
    (_one_of(*PRECISIONS), "precision"),
    (COMPILE, "compile"),
    (TILE, "tile"),
    (PIXELS, "tile_overlap"),
)
METRIC = _options(
    (TEXT, "type convert_to"),
    (_one_of("higher", "lower"), "better"),
    (PIXELS, "crop_border!"),
    (_one_of("HWC", "CHW"), "input_order"),
    (FLAG, "test_y_channel float_output"),
)
METRICS = {  # all options of these are known; pixels per side that each needs inside crop_border
    **dict.fromkeys(("calculate_psnr", "calculate_psnr_pt", "calculate_psnr_published"), 1),
    **dict.fromkeys(("calculate_ssim", "calculate_ssim_pt", "calculate_ssim_published"), 11),
    "calculate_niqe": 96,
}
SINGLE = _options(
    (NAME, "name!"),
    (TEXT, "type dataroot_lq meta_info_file color"),
    (COUNT, "num_prefetch_queue!"),
    (FLAG, "pin_memory persistent_workers"),
    (_one_of("cpu", "cuda"), "prefetch_mode"),
    (_list_of(NUMBER), "mean std"),
    (MAPPING, "io_backend"),
)
PAIRED = SINGLE | _options((TEXT, "dataroot_gt"), (TEMPLATE, "filename_tmpl!"))
DATASETS = {"PairedImageDataset": PAIRED, "SingleImageDataset": SINGLE}  # all options of these are known
TRAINING_SET = _options(
    (COUNT, "gt_size batch_size_per_gpu"),
    (WORKERS, "num_worker_per_gpu"),
    (RATIO, "dataset_enlarge_ratio!"),
    (FLAG, "use_hflip use_rot"),
)
IO_BACKEND = _options((TEXT, "type"), (FLAG, "readonly lock readahead"))
TRAIN = _options(
    (FREQUENCY, "total_iter"),
    (WARM_UP, "warmup_iter!"),
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
OPTIMISER = _options(
    (TEXT, "type"),
    (NOT_NEGATIVE, "lr! weight_decay! eps! momentum!"),
    (_list_of(FRACTION), "betas!"),
    (FLAG, "amsgrad fused foreach maximize nesterov capturable differentiable"),
)
SCHEDULER = _options(
    (TEXT, "type"),
    (_list_of(FREQUENCY), "periods! milestones!"),
    (_list_of(ITERATION), "restarts!"),
    (_list_of(NOT_NEGATIVE), "restart_weights!"),
    (FRACTION, "gamma!"),
    (NOT_NEGATIVE, "eta_min!"),
)
LOSS = _options(
    (TEXT, "type vgg_type criterion"),
    (NOT_NEGATIVE, "loss_weight! fft_weight! eps! perceptual_weight! style_weight!"),
    (_one_of("mean", "sum"), "reduction"),
    (FLAG, "use_input_norm range_norm"),
    (MAPPING, "layer_weights"),
)
MODELS = {  # all options of these are known
    "SRModel": (TRAIN, VAL),
    "SwinIRModel": (TRAIN, VAL),
    "SSIUModel": (SSIU_TRAIN, SSIU_VAL),
}


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
                lines.append(f"{where}{key} is no option here, nothing reads it{did_you_mean(key, kinds)}")
    return lines


def _sections(opt: Options) -> Iterator[tuple[str, Options, dict[str, Kind], bool]]:
    """Yield each section: its prefix, its options, their kinds, and whether these are all options that it can have."""
    model = str(opt.get("model_type"))
    of_train, of_val = MODELS.get(model, (TRAIN, VAL))
    networks = [key for key in opt if key.startswith("network_")]
    yield "", opt, ROOT | dict.fromkeys(networks, MAPPING), model in MODELS
    path = {start + key[len("network_") :]: kind for key in networks for start, kind in PATH_OF_NETWORK.items()}
    yield "path.", _mapping(opt, "path"), PATH | path, True
    logger, val, train = (_mapping(opt, section) for section in ("logger", "val", "train"))
    yield "dist_params.", _mapping(opt, "dist_params"), DIST, True
    yield "logger.", logger, LOGGER, True
    yield "logger.wandb.", _mapping(logger, "wandb"), WANDB, True
    yield "val.", val, of_val, model in MODELS
    metrics = _mapping(val, "metrics")
    yield "val.metrics.", metrics, dict.fromkeys(metrics, MAPPING), True
    for name in metrics:
        metric = _mapping(metrics, name)
        yield f"val.metrics.{name}.", metric, METRIC, str(metric.get("type")) in METRICS
    yield "train.", train, of_train, model in MODELS
    # Building them refuses unknown options of the next three.
    yield "train.optim_g.", _mapping(train, "optim_g"), OPTIMISER, False
    yield "train.scheduler.", _mapping(train, "scheduler"), SCHEDULER, False
    for name in train:
        if name.endswith("_opt"):
            yield f"train.{name}.", _mapping(train, name), LOSS, False
    yield "datasets.", opt["datasets"], dict.fromkeys(opt["datasets"], MAPPING), True
    for phase in opt["datasets"]:
        dataset, where = _mapping(opt["datasets"], phase), f"datasets.{phase}."
        kind, of_phase = str(dataset.get("type")), TRAINING_SET if phase == "train" else {}
        yield where, dataset, DATASETS.get(kind, PAIRED) | of_phase, kind in DATASETS
        backend = _mapping(dataset, "io_backend")
        yield f"{where}io_backend.", backend, IO_BACKEND, backend.get("type") in ("disk", "lmdb")


def _mapping(section: Options, key: str) -> Options:
    """The mapping of options under ``key``; empty if there is none."""
    return section[key] if isinstance(section.get(key), dict) else {}


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
