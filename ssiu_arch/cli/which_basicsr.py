"""Which ``basicsr`` is imported, where there are several: forks bring a folder of that name in their checkouts."""

import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

NAME = "basicsr"


def imported() -> Path | None:
    """The folder of the package that ``import basicsr`` means; None where there is none."""
    loaded = sys.modules.get(NAME)
    spec = loaded.__spec__ if loaded else _find()
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _find() -> ModuleSpec | None:
    """The spec that an import would find, without asking our own finder, which waits for the import itself."""
    for finder in sys.meta_path:
        if not type(finder).__module__.startswith("ssiu_arch."):
            spec = finder.find_spec(NAME, None)
            if spec is not None:
                return spec
    return None


def installed() -> Path | None:
    """The folder that pip installed; None where it did not."""
    try:
        file = Path(str(distribution(NAME).locate_file(f"{NAME}/__init__.py")))
    except PackageNotFoundError:
        return None
    return file.parent.resolve() if file.is_file() else None


def others() -> list[Path]:
    """Every other folder of that name: on Python's path, installed, or in the current folder."""
    folders = [Path(entry or ".") for entry in sys.path] + [Path.cwd()]
    found = {(folder / NAME).resolve(): None for folder in folders if (folder / NAME / "__init__.py").is_file()}
    pip = installed()
    if pip is not None:
        found[pip] = None
    found.pop(imported() or Path(), None)
    return list(found)


def warning() -> str | None:
    """One line that says which of several is in use, and by which path; None where there is no doubt."""
    rest = others()
    if not rest:
        return None
    ours = imported()
    kind = "the one pip installed" if ours == installed() else "not the one pip installed"
    return (
        f"there are several packages {NAME}: in use is {ours} ({kind}), not {', '.join(map(str, rest))}; networks and "
        "data sets of the others are unknown here"
    )
