"""``import basicsr`` fails with SciPy 2: the module that its NIQE imports from is deprecated, and goes there."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from ssiu_arch.repairs.repair import Repair

REMOVED = "scipy.ndimage.filters"


class _Finder(MetaPathFinder, Loader):
    """Makes the removed module from ``scipy.ndimage``, which has all of its functions.

    It stands last in ``sys.meta_path``, so a SciPy that has the module never asks it.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(REMOVED, self) if fullname == REMOVED else None

    def exec_module(self, module: ModuleType) -> None:
        ndimage = import_module("scipy.ndimage")
        public = {name: value for name, value in vars(ndimage).items() if not name.startswith("_")}
        vars(module).update(public)


def _is_needed() -> bool:
    return not any(isinstance(finder, _Finder) for finder in sys.meta_path)


def _apply() -> None:
    sys.meta_path.append(_Finder())


REPAIR = Repair(
    defect="with SciPy 2 `import basicsr` ends in No module named 'scipy.ndimage.filters'",
    upstream="basicsr/metrics/niqe.py:5, data/data_util.py:275",
    until="BasicSR imports from scipy.ndimage",
    is_needed=_is_needed,
    apply=_apply,
)
