"""Reading an option file: the sections BasicSR needs, and every ``type`` registered."""

from collections.abc import Iterator
from typing import Any

from ssiu_arch.checks.finding import did_you_mean
from ssiu_arch.checks.options import shown
from ssiu_arch.patches.training.option_files import split_arguments
from ssiu_arch.plugins import loaded_plugins
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.option_yaml import load

SECTIONS = ("datasets", "network_g", "train", "path", "logger", "val", "dist_params")
BROUGHT_BY = {  # well-known networks that BasicSR lacks, in lower case, and the repository of each
    "atd": "LabShuHangGU/Adaptive-Token-Dictionary",
    "craft": "AVC2-UESTC/CRAFT-SR",
    "dat": "zhengchen1999/DAT",
    "hat": "XPixelGroup/HAT",
    "safmn": "sunny2109/SAFMN",
    "shufflemixer": "sunny2109/ShuffleMixer",
    "srformer": "HVision-NKU/SRFormer",
}


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
    for change in split_arguments(["--force_yml", *overrides] if overrides else [])[1]:
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


def check_types(opt: dict[str, Any]) -> None:
    """Raise ``UserError`` for the first ``type`` that is not registered, with the registered ones."""
    from basicsr.utils import registry

    for where, name, kind in named_types(opt):
        known = getattr(registry, f"{kind.upper()}_REGISTRY")
        if name is None:
            raise UserError(f"{where} is missing")
        if isinstance(name, str) and (name in known or f"{name}_basicsr" in known):
            continue
        names = sorted(map(str, known.keys()))
        source = BROUGHT_BY.get(str(name).lower().removesuffix("model"), f"the package that defines this {kind}")
        raise UserError(
            f"{where}: no {kind} {name!r} is registered{did_you_mean(str(name), names, 2)}. Registered: "
            f"{', '.join(names)}. Plugins: {', '.join(loaded_plugins()) or 'none'}. To use {name}, install {source} "
            "with an entry point in the group basicsr.plugins"
        )


def named_types(opt: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Every type in an option file: its place, its name, and the registry it belongs to."""
    yield "model_type", opt.get("model_type"), "model"
    for section, options in opt.items():
        if section.startswith("network_") and isinstance(options, dict):
            yield f"{section}.type", options.get("type"), "arch"
    for phase, options in opt["datasets"].items():
        yield f"datasets.{phase}.type", options.get("type"), "dataset"
    for section, options in (opt.get("train") or {}).items():
        if section.endswith("_opt") and isinstance(options, dict) and "type" in options:
            yield f"train.{section}.type", options["type"], "loss"
    for metric, options in ((opt.get("val") or {}).get("metrics") or {}).items():
        yield f"val.metrics.{metric}.type", (options or {}).get("type"), "metric"
