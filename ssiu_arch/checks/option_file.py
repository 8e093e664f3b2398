"""The option file itself: there, readable YAML, with the sections that BasicSR needs."""

from pathlib import Path
from typing import Any

import yaml

from ssiu_arch.errors import UserError
from ssiu_arch.repairs.option_parsing import split_arguments

NEEDED = {
    True: ("name", "model_type", "datasets", "network_g", "train"),
    False: ("name", "model_type", "datasets", "network_g"),
}
SECTIONS = ("datasets", "network_g", "train", "path", "logger", "val")


def read(path: str, is_train: bool, overrides: list[str]) -> dict[str, Any]:
    """The options of a file, after ``--force_yml`` and the repairs, as BasicSR is going to see them.

    Args:
        path: the option file.
        is_train: training files need more sections than test files.
        overrides: entries of ``--force_yml``.

    Raises:
        UserError: there is no such file, it is no YAML, or a section is missing or no mapping.
    """
    from basicsr.utils.options import ordered_yaml

    file = Path(path)
    if not file.is_file():
        raise UserError(f"-opt {path}: no such file (the current folder is {Path.cwd()})")
    try:
        opt = yaml.load(file.read_text(encoding="utf-8"), Loader=ordered_yaml()[0])
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no text file (byte {error.start} is not UTF-8)") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else path
        raise UserError(f"{where}: no valid YAML: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(opt, dict):
        raise UserError(f"{path}: is no option file, its YAML holds {'nothing' if opt is None else type(opt).__name__}")
    for change in split_arguments(["--force_yml", *overrides] if overrides else [])[1]:
        change(opt)
    _check_sections(path, opt, is_train)
    return opt


def _check_sections(path: str, opt: dict[str, Any], is_train: bool) -> None:
    missing = [section for section in NEEDED[is_train] if opt.get(section) is None]
    if missing:
        kind = "training" if is_train else "test"
        hint = "; it looks like a test file" if missing == ["train"] else ""
        raise UserError(f"{path}: a {kind} needs {', '.join(missing)}{hint}")
    for section in SECTIONS:
        if opt.get(section) is not None and not isinstance(opt[section], dict):
            raise UserError(f"{path}: {section} ({opt[section]!r}) must hold options of its own")
    for name, dataset in opt["datasets"].items():
        if not isinstance(dataset, dict):
            raise UserError(f"{path}: datasets.{name} ({dataset!r}) must hold options of its own")
    if is_train and "train" not in opt["datasets"]:
        raise UserError(f"{path}: datasets has no train ({', '.join(opt['datasets'])})")
