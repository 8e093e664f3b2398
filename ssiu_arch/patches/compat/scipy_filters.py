"""``import basicsr`` fails with SciPy 2: the module that its NIQE imports from is deprecated, and goes there."""

from importlib import import_module
from types import ModuleType

from ssiu_arch.patches.patch import RemovedModule, Repair


def _fill(module: ModuleType) -> None:
    """From ``scipy.ndimage``, which has all of its functions."""
    ndimage = import_module("scipy.ndimage")
    vars(module).update({name: value for name, value in vars(ndimage).items() if not name.startswith("_")})


FILTERS = RemovedModule("scipy.ndimage.filters", _fill)


def _apply() -> None:
    FILTERS.stand_in()


REPAIR = Repair(
    defect="with SciPy 2 `import basicsr` ends in No module named 'scipy.ndimage.filters'",
    upstream="basicsr/metrics/niqe.py:5, data/data_util.py:275",
    until="BasicSR imports from scipy.ndimage",
    is_needed=FILTERS.is_needed,
    apply=_apply,
)
