"""Which ``basicsr`` is used, if there are several: forks have a folder of that name in their checkouts."""

import os
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

NAME = "basicsr"


def imported() -> Path | None:
    """The folder that ``import basicsr`` uses; None if there is none."""
    loaded = sys.modules.get(NAME)
    # Not importlib.util.find_spec: that would use up our own finder, which waits for the import of BasicSR.
    finders = [finder for finder in sys.meta_path if not type(finder).__module__.startswith("ssiu_arch.")]
    spec = loaded.__spec__ if loaded else next(filter(None, (finder.find_spec(NAME, None) for finder in finders)), None)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


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
        return Path(str(distribution(NAME).locate_file(NAME))).resolve()
    except PackageNotFoundError:
        return None


def warning() -> str | None:
    """One line that says which of several is used: on Python's path, installed, or in the current folder; else None."""
    pip, ours = installed(), imported()
    folders = [Path(entry or ".") / NAME for entry in sys.path] + [Path.cwd() / NAME, *([pip] if pip else [])]
    # os.path returns False where pathlib raises, as for a folder that cannot be read
    found = [folder.resolve() for folder in folders if os.path.isfile(folder / "__init__.py")]
    rest = [str(folder) for folder in dict.fromkeys(found) if folder != ours]
    if not rest:
        return None
    kind = "the one pip installed" if ours == pip else "not the one pip installed"
    return (
        f"there are several packages {NAME}: in use is {ours} ({kind}), not {', '.join(rest)}; networks and "
        "data sets of the others are not registered"
    )
