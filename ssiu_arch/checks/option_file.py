"""The option file itself: there, readable YAML, with the sections that BasicSR needs."""

import os
from pathlib import Path
from typing import Any

import yaml

from ssiu_arch.checks.options import shown
from ssiu_arch.patches.option_parsing import split_arguments
from ssiu_arch.utils.errors import UserError

NEEDED = {
    True: ("name", "model_type", "datasets", "network_g", "train"),
    False: ("name", "model_type", "datasets", "network_g"),
}
SECTIONS = ("datasets", "network_g", "train", "path", "logger", "val", "dist_params")


def read(path: str, is_train: bool, overrides: list[str]) -> dict[str, Any]:
    """The options of a file, after ``--force_yml`` and the repairs, as BasicSR is going to see them.

    Args:
        path: the option file.
        is_train: training files need more sections than test files.
        overrides: entries of ``--force_yml``.

    Raises:
        UserError: there is no such file, it is no YAML, or a section is missing or no mapping.
    """
    opt = load(path)
    for change in split_arguments(["--force_yml", *overrides] if overrides else [])[1]:
        _check_mappings(path, opt)  # which the next change may rely upon
        change(opt)
    _check_mappings(path, opt)
    _check_sections(path, opt, is_train)
    return opt


def load(path: str) -> dict[str, Any]:
    """The options of a file as they stand there.

    Raises:
        UserError: there is no such file, or it is no YAML.
    """
    from basicsr.utils.options import ordered_yaml

    if not os.path.isfile(path):
        raise UserError(f"-opt {path}: no such file (the current folder is {Path.cwd()})")
    try:
        opt = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=ordered_yaml()[0])
    except OSError as error:
        raise UserError(f"-opt {path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no text file (byte {error.start} is not UTF-8)") from error
    except (ValueError, TypeError, RecursionError) as error:  # a date that is none, a list as a key, [[[[...
        raise UserError(f"{path}: no valid YAML: {' '.join(str(error).split())}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else path
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"{where}: no valid YAML: {reason}") from error
    if not isinstance(opt, dict):
        raise UserError(f"{path}: is no option file, its YAML holds {'nothing' if opt is None else type(opt).__name__}")
    return opt


def _check_mappings(path: str, opt: dict[str, Any]) -> None:
    for section in SECTIONS:
        if opt.get(section) is not None and not isinstance(opt[section], dict):
            raise UserError(f"{path}: {section} ({shown(opt[section])}) must hold options of its own")


def _check_sections(path: str, opt: dict[str, Any], is_train: bool) -> None:
    missing = [section for section in NEEDED[is_train] if opt.get(section) is None]
    if missing:
        kind = "training" if is_train else "test"
        hint = "; it looks like a test file" if missing == ["train"] else ""
        raise UserError(f"{path}: a {kind} needs {', '.join(missing)}{hint}")
    for name, dataset in opt["datasets"].items():
        if not isinstance(dataset, dict):
            raise UserError(f"{path}: datasets.{name} ({shown(dataset)}) must hold options of its own")
    phases = [str(name) for name in opt["datasets"]]
    if is_train and "train" not in phases:
        raise UserError(f"{path}: datasets has no train ({', '.join(phases)})")
    for phase in phases:
        kind, known = phase.split("_")[0], ("val",) if is_train else ("val", "test")
        if kind not in known and not (is_train and phase == "train"):
            names = "train, val, val_1, val_2, ..." if is_train else "test, test_1, test_2, ..."
            raise UserError(f"{path}: datasets.{phase}: BasicSR knows data sets by the names {names}")
