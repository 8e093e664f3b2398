"""Which ``basicsr`` is used, if there are several: forks have a folder of that name in their checkouts."""

import os
import re
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

NAME = "basicsr"


def imported() -> Path | None:
    """The folder that ``import basicsr`` uses; None if there is none."""
    loaded = sys.modules.get(NAME)
    spec = loaded.__spec__ if loaded else _find()
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _find() -> ModuleSpec | None:
    """The spec that an import would find, without our own finder, which waits for that import."""
    for finder in sys.meta_path:
        if not type(finder).__module__.startswith("ssiu_arch."):
            spec = finder.find_spec(NAME, None)
            if spec is not None:
                return spec
    return None


def version() -> str:
    """``basicsr``, its version and folder, without importing it."""
    folder = imported()
    if folder is None:
        return f"{NAME} is not installed: run `basicsr install`"
    return f"{NAME} {number(folder) or 'of unknown version'} ({folder})"


def number(folder: Path) -> str | None:
    """The version of a ``basicsr``, without importing it; None for a checkout that was never built."""
    file = folder / "version.py"
    found = re.search(r"^__version__ = '(.+)'", file.read_text("utf-8"), re.M) if file.is_file() else None
    return found[1] if found else None


def installed() -> Path | None:
    """The folder that pip installed; None if it did not."""
    try:
        file = Path(str(distribution(NAME).locate_file(f"{NAME}/__init__.py")))
    except PackageNotFoundError:
        return None
    return file.parent.resolve() if file.is_file() else None


def others() -> list[Path]:
    """Every other folder of that name: on Python's path, installed, or in the current folder."""
    folders = [Path(entry or ".") for entry in sys.path] + [Path.cwd()]
    found = {  # os.path says no where pathlib raises, as for a folder that cannot be read
        (folder / NAME).resolve(): None for folder in folders if os.path.isfile(folder / NAME / "__init__.py")
    }
    pip = installed()
    if pip is not None:
        found[pip] = None
    found.pop(imported() or Path(), None)
    return list(found)


def warning() -> str | None:
    """One line that says which of several is used; None if there is one."""
    rest = others()
    if not rest:
        return None
    ours = imported()
    kind = "the one pip installed" if ours == installed() else "not the one pip installed"
    return (
        f"there are several packages {NAME}: in use is {ours} ({kind}), not {', '.join(map(str, rest))}; networks and "
        "data sets of the others are not registered"
    )
