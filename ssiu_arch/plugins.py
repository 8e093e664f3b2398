"""Packages that bring networks, losses, models, data sets or metrics to BasicSR declare an entry point.

In the package's metadata, group ``basicsr.plugins``, any name, the value a module whose import registers them::

    [project.entry-points."basicsr.plugins"]
    mine = "my_package"
"""

import sys
from importlib.metadata import EntryPoint, entry_points

from ssiu_arch.utils.errors import UserError

GROUP = "basicsr.plugins"

_loaded: dict[str, str] = {}  # entry point -> package and version
_failed: dict[str, str] = {}  # entry point -> package, version and reason


def load_plugins() -> None:
    """Import BasicSR, then every installed plugin. One that fails is named on stderr; the others are used.

    Raises:
        UserError: BasicSR is not installed.
    """
    try:
        import basicsr  # noqa: F401  (first: plugins need it patched)
    except ModuleNotFoundError as error:
        if error.name != "basicsr":
            raise
        raise UserError("BasicSR is not installed: run `basicsr install`") from error
    for entry in entry_points(group=GROUP):
        if entry.value in _loaded:
            continue
        try:
            entry.load()
        except Exception as error:
            _failed[entry.value] = f"{_package(entry)} failed to load: {type(error).__name__}: {error}"
            print(f"basicsr: plugin {_failed[entry.value]}", file=sys.stderr)
        else:
            _loaded[entry.value] = _package(entry)


def loaded_plugins() -> list[str]:
    """Package and version of every loaded plugin."""
    return sorted(_loaded.values())


def failures() -> list[str]:
    """Package, version and reason of every plugin that failed to load."""
    return sorted(_failed.values())


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
