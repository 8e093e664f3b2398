"""An option file: its sections, the known options with their allowed values, and every ``type`` registered."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ssiu_arch.checks.finding import did_you_mean, located
from ssiu_arch.patches.compat.models import OPTIMIZERS
from ssiu_arch.patches.training.option_files import changes
from ssiu_arch.plugins import loaded_plugins
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.option_yaml import load
from ssiu_arch.utils.precisions import PRECISIONS, TRAINING_PRECISIONS

Options = dict[str, Any]
Table = dict[str, "Kind"]  # of a section: the kind of each option; under ``*`` that of all others


@dataclass(frozen=True)
class Kind:
    """The allowed values of an option.

    Attributes:
        what: a description for messages.
        fits: whether a value is allowed.
        mark: ``*`` if the option must be there, ``!`` if it may be missing, but not empty (``~``).
        inner: the table of a section.
        registry: of BasicSR, that must have the value: arch, dataset, loss, metric or model.
    """

    what: str
    fits: Callable[[Any], bool]
    mark: str = ""
    inner: Table | None = None
    registry: str = ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63


def _is_text(value: Any) -> bool:
    """Whether ``value`` is text that can name a file."""
    return isinstance(value, str) and value.isprintable() and max(map(len, value.encode().split(b"/"))) < 256


def _one_of(*values: str) -> Kind:
    return Kind(" or ".join(values), lambda value: value in values)


def _number(low: float, high: float) -> Kind:
    return Kind(f"a number from {low:,} to {high:,}", lambda value: _is_number(value) and low <= value <= high)


def _whole(low: int, high: int) -> Kind:
    """A whole number; the loader makes one of ``5e3``."""
    what = f"a whole number from {low:,} to {high:,}"
    return Kind(what, lambda value: type(value) is int and low <= value <= high)


def _list_of(kind: Kind, count: int | None = None) -> Kind:
    def fits(value: Any) -> bool:
        return isinstance(value, list) and count in (None, len(value)) and all(map(kind.fits, value))

    return Kind(f"a list{f' of {count}' if count else ''}, each entry {kind.what}", fits)


def _section(table: Table, mark: str = "") -> Kind:
    return Kind("a mapping of options", lambda value: isinstance(value, dict), mark, table)


def _type(registry: str) -> Kind:
    return Kind(f"text, the name of a registered {registry}", _is_text, "*", registry=registry)


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
FRACTION = _number(0, 1)
AMOUNT = _number(0, 10**6)
FREQUENCY = _whole(1, 10**9)
COUNT = _whole(1, 10**6)
PIXELS = _whole(0, 10**6)
SEED = _whole(0, 2**31 - 1)  # BasicSR adds the number of a worker, and NumPy takes 32 bits
GPUS = Kind("a whole number from 0 to 64, or auto", lambda value: value == "auto" or _whole(0, 64).fits(value))
COMPILE = Kind("true, false or arguments of torch.compile", lambda value: isinstance(value, (bool, dict)))
UNDONE = Kind("removed: results are scored and saved without undoing it; do it in the network", lambda value: False)
GONE = Kind("removed: the backend takes no such option", lambda value: False)
OTHERS = {"*": Kind("anything", lambda value: True)}  # options that this file does not know
NETWORK = _section({"type": _type("arch"), **OTHERS})
LOSS = _section({"type": _type("loss"), **OTHERS})
LOOSE_LOSS = _section({"type": replace(_type("loss"), mark=""), **OTHERS})  # of models that this file does not know


def _options(*lines: tuple[Kind, str]) -> Table:
    """The kind of each option; a line lists all options of one kind, with their marks."""
    names = [(kind, name) for kind, listed in lines for name in listed.split()]
    return {name.rstrip("!*"): replace(kind, mark=name[len(name.rstrip("!*")) :]) for kind, name in names}


ROOT = _options(
    (NAME, "name*"),
    (_type("model"), "model_type*"),
    (COUNT, "scale*"),
    (GPUS, "num_gpu"),
    (SEED, "manual_seed"),
    (FLAG, "find_unused_parameters"),
)
DIST = _options((_one_of("nccl", "gloo", "mpi", "ucc"), "backend"), (_number(1, 10**8), "timeout!"), (COUNT, "port"))
PATH = _options((TEXT, "resume_state"), (_list_of(TEXT), "ignore_resume_networks"))
PATH_OF_NETWORK = _options((TEXT, "pretrain_network_ param_key_"), (FLAG, "strict_load_"))
LOGGER = _options((FREQUENCY, "print_freq! save_checkpoint_freq!"), (FLAG, "use_tb_logger"))
LOGGER["wandb"] = _section(_options((TEXT, "project resume_id")))
VAL = _options((FLAG, "save_img pbar bicubic"), (SUFFIX, "suffix"))
SSIU_VAL = VAL | _options(
    (FLAG, "fast cuda_graphs"),
    (_one_of(*PRECISIONS), "precision"),
    (COMPILE, "compile"),
    (_whole(32, 10**6), "tile"),
    (PIXELS, "tile_overlap"),
)
METRIC = _options(
    (_type("metric"), "type*"),
    (TEXT, "convert_to!"),
    (_one_of("higher", "lower"), "better"),
    (PIXELS, "crop_border!"),
    (_one_of("HWC", "CHW"), "input_order!"),
    (FLAG, "test_y_channel float_output"),
)
METRICS = {  # all options of these are known; pixels per side that each needs inside crop_border
    **dict.fromkeys(("calculate_psnr", "calculate_psnr_pt", "calculate_psnr_published"), 1),
    **dict.fromkeys(("calculate_ssim", "calculate_ssim_pt", "calculate_ssim_published"), 11),
    "calculate_niqe": 96,
}
ANY_SET = _options(
    (NAME, "name*"),
    (_type("dataset"), "type*"),
    (TEXT, "meta_info_file color"),
    (COUNT, "num_prefetch_queue!"),
    (FLAG, "pin_memory persistent_workers"),
    (_one_of("cpu", "cuda"), "prefetch_mode"),
    (UNDONE, "mean std"),
)
SINGLE = _options((TEXT, "dataroot_lq* meta_info_file!"))
PAIRED = _options((TEXT, "dataroot_gt* dataroot_lq*"), (TEMPLATE, "filename_tmpl!"))
CROPS = _options((COUNT, "gt_size*"), (FLAG, "use_hflip* use_rot*"))
SETS = {"PairedImageDataset": (PAIRED, CROPS), "SingleImageDataset": (SINGLE, {})}  # and what a training adds
TRAINING_SET = _options(
    (COUNT, "batch_size_per_gpu*"),
    (_whole(0, 256), "num_worker_per_gpu*"),
    (_number(0, 10_000), "dataset_enlarge_ratio!"),
)
BACKEND = _options((_one_of("disk", "lmdb"), "type*")) | {"*": GONE}
LMDB = _options((FLAG, "readonly lock readahead"))
OPTIMISER = OTHERS | _options((replace(TEXT, what=" or ".join(OPTIMIZERS)), "type*"))
OPTIMISER_OF_TORCH = OPTIMISER | _options(
    (AMOUNT, "lr! weight_decay! eps! momentum!"),
    (_list_of(FRACTION, 2), "betas!"),
    (_list_of(AMOUNT, 2), "etas! step_sizes!"),
)
SCHEDULER = _options((replace(TEXT, what="CosineAnnealingRestartLR or MultiStepRestartLR"), "type*"))
SCHEDULER |= OTHERS | _options(
    (_list_of(FREQUENCY), "periods! milestones!"),
    (_list_of(_whole(0, 10**9)), "restarts!"),
    (_list_of(AMOUNT), "restart_weights!"),
    (FRACTION, "gamma!"),
    (AMOUNT, "eta_min!"),
)
TRAIN = _options(
    (FREQUENCY, "total_iter*"),
    (_whole(-1, 10**9), "warmup_iter!"),
    (FRACTION, "ema_decay!"),
    (_section(OPTIMISER), "optim_g*"),
    (_section(SCHEDULER), "scheduler*"),
    (LOSS, "pixel_opt perceptual_opt"),
)
SSIU_TRAIN = TRAIN | _options(
    (LOSS, "fft_opt"),
    (COUNT, "micro_batch_size"),
    (Kind("a number above 0", lambda value: _is_number(value) and value > 0), "grad_clip"),
    (FLAG, "skip_non_finite channels_last checkpointing"),
    (_one_of(*TRAINING_PRECISIONS), "precision"),
    (COMPILE, "compile"),
)
MODELS = {  # all options of these are known
    "SRModel": (TRAIN, VAL),
    "SwinIRModel": (TRAIN, VAL),
    "SSIUModel": (SSIU_TRAIN, SSIU_VAL),
}


SECTIONS = ("datasets", "network_g", "train", "path", "logger", "val", "dist_params")


def read(path: str, is_train: bool, overrides: list[str]) -> dict[str, Any]:
    """The options of a file as BasicSR will read them, after ``--force_yml`` and the patches.

    Args:
        path: the option file.
        is_train: a training needs more sections than a test.
        overrides: entries of ``--force_yml``.

    Raises:
        UserError: the file is missing or no valid YAML, or a section is missing or no mapping.
    """
    opt = load(path)
    for change in changes(overrides):
        for section in SECTIONS:  # the change relies on it
            if opt.get(section) is not None and not isinstance(opt[section], dict):
                raise UserError(f"{path}: {section} ({shown(opt[section])}) must be a mapping of options")
        change(opt)
    _check_sections(path, opt, is_train)
    return opt


def _check_sections(path: str, opt: dict[str, Any], is_train: bool) -> None:
    needed = ("name", "model_type", "datasets", "network_g", *(("train",) if is_train else ()))
    missing = [section for section in needed if opt.get(section) is None]
    if missing:
        kind = "training" if is_train else "test"
        hint = "; this looks like a test file" if missing == ["train"] else ""
        raise UserError(f"{path}: a {kind} needs {', '.join(missing)}{hint}")
    known, names = (("val",), "train, val, val_1, ...") if is_train else (("val", "test"), "test, test_1, test_2, ...")
    for phase in opt["datasets"]:
        if str(phase).split("_")[0] not in known and not (is_train and phase == "train"):
            raise UserError(f"{path}: datasets.{phase}: BasicSR expects one of the names {names}")
    if is_train and "train" not in opt["datasets"]:
        raise UserError(f"{path}: a training needs datasets.train; there is {', '.join(opt['datasets'])}")


def problems(opt: Options) -> list[str]:
    """One line for each option that has a wrong value, then for each that is missing."""
    wrong, missing = [], []
    for name, value, kind, _ in _entries(opt, _table(opt)):
        if kind and value is None:
            missing.append(f"{name} is {'missing' if kind.mark == '*' else 'empty'}: write {kind.what}")
        elif kind and not kind.fits(value):
            wrong.append(f"{name} ({shown(value)}) must be {kind.what}")
    return wrong + missing


def unknown(opt: Options) -> list[str]:
    """One line for each unknown option, with the name it resembles; ``opt`` must have no ``problems``.

    Options of models, data sets and losses of other packages are not checked.
    """
    return [
        f"{name} is no option here, nothing reads it{did_you_mean(name.rpartition('.')[2], table)}"
        for name, _, kind, table in _entries(opt, _table(opt))
        if kind is None
    ]


def check_types(opt: dict[str, Any]) -> None:
    """Raise ``UserError`` for the first ``type`` that is not registered, with the registered ones."""
    from basicsr.utils import registry

    for where, name, option, _ in _entries(opt, _table(opt)):
        kind = option.registry if option else ""
        known = getattr(registry, f"{kind.upper()}_REGISTRY") if kind else {}
        if not kind or (isinstance(name, str) and (name in known or f"{name}_basicsr" in known)):
            continue
        names = sorted(map(str, known.keys()))
        raise UserError(
            f"{where}: no {kind} {name!r} is registered{did_you_mean(str(name), names, 2)}. Registered: "
            f"{', '.join(names)}. Plugins: {', '.join(loaded_plugins()) or 'none'}. To use {name}, install the package "
            f"that defines this {kind}, with an entry point in the group basicsr.plugins"
        )


def check_arguments(where: str, made: Callable, options: Options, given: str = "") -> None:
    """Check options by the signature of the network, loss, metric or optimiser that they are the arguments of.

    Args:
        where: the section of the option file.
        made: the class or function.
        options: without ``type``.
        given: names of arguments that BasicSR adds.

    Raises:
        UserError: an argument is unknown or missing, or text, a flag or empty where the default is a number or a flag.
    """
    signature = inspect.signature(made)
    accepted = signature.parameters
    meant = [did_you_mean(str(name), accepted) for name in options if name not in accepted]
    with located(where, options, f"{made.__name__} takes {', '.join(accepted)}{''.join(meant)}"):
        signature.bind(**dict.fromkeys(given.split()), **options)
    for name, value in options.items():  # Python takes the text "no" for true, and true for 1
        default = accepted[name].default if name in accepted else None
        is_odd = isinstance(default, (bool, int, float)) and isinstance(value, (bool, str, type(None)))
        if is_odd and type(value) is not type(default):
            kind = "true or false" if isinstance(default, bool) else "a number"
            raise UserError(f"{where}.{name} ({value!r}) must be {kind}")


def _entries(section: Options, table: Table, where: str = "") -> Iterator[tuple[str, Any, Kind | None, Table]]:
    """Yield each option that is there or must be: full name, value, kind (None: unknown), table of its section."""
    for key in {**section, **table}:
        name, value, kind = f"{where}{key}", section.get(key), table.get(key, table.get("*"))
        if value is not None or kind is None or kind.mark == "*" or (kind.mark == "!" and key in section):
            yield name, value, kind, table
        if kind and kind.inner is not None and isinstance(value, dict):
            yield from _entries(value, kind.inner, f"{name}.")


def _table(opt: Options) -> Table:
    """The options that a file may have, by the types of its model, data sets and metrics."""
    known = MODELS.get(str(opt.get("model_type")))
    losses = dict.fromkeys((name for name in _mapping(opt, "train") if name.endswith("_opt")), LOOSE_LOSS)
    train, val = known or (TRAIN | losses | OTHERS, VAL | OTHERS)
    if str(_mapping(_mapping(opt, "train"), "optim_g").get("type")) in OPTIMIZERS:
        train = train | {"optim_g": _section(OPTIMISER_OF_TORCH, "*")}
    networks = [key for key in opt if key.startswith("network_")]
    path = {start + key[len("network_") :]: kind for key in networks for start, kind in PATH_OF_NETWORK.items()}
    metrics = _mapping(_mapping(opt, "val"), "metrics")
    of_metric = {
        name: _section(METRIC if str(_mapping(metrics, name).get("type")) in METRICS else METRIC | OTHERS)
        for name in metrics
    }
    frequency = _options((FREQUENCY, "val_freq*" if opt.get("train") else "val_freq!"))
    return {
        **ROOT,
        **dict.fromkeys(networks, NETWORK),
        "path": _section(PATH | path),
        "logger": _section(LOGGER),
        "dist_params": _section(DIST),
        "val": _section(val | frequency | {"metrics": _section(of_metric)}),
        "train": _section(train),
        "datasets": _section({phase: _section(_of_set(phase, opt["datasets"])) for phase in opt["datasets"]}),
        **({} if known else OTHERS),
    }


def _of_set(phase: str, datasets: Options) -> Table:
    options = _mapping(datasets, phase)
    kind = str(options.get("type"))
    always, in_training = SETS.get(kind, (OTHERS, OTHERS))
    if kind in SETS:
        is_lmdb = _mapping(options, "io_backend").get("type") == "lmdb"
        always = always | {"io_backend": _section(BACKEND | (LMDB if is_lmdb else {}), "*")}
    return ANY_SET | always | (TRAINING_SET | in_training if phase == "train" else {})


def _mapping(section: Options, key: str) -> Options:
    """The mapping of options under ``key``; empty if there is none."""
    return section[key] if isinstance(section.get(key), dict) else {}


def shown(value: Any) -> str:
    """``value`` for a message, at most 60 characters."""
    text = repr(dict(value) if isinstance(value, dict) else value)
    return text if len(text) < 60 else f"{text[:56]} ..."
