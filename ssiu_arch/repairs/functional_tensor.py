"""``import basicsr`` fails: torchvision 0.17 removed the module that one of BasicSR's degradations imports from."""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from ssiu_arch.repairs.repair import Repair

REMOVED = "torchvision.transforms.functional_tensor"


class _Finder(MetaPathFinder, Loader):
    """Makes the removed module from what replaced it.

    It stands last in ``sys.meta_path``, so a torchvision that has the module never asks it, and torchvision is imported
    only when the module is.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(REMOVED, self) if fullname == REMOVED else None

    def exec_module(self, module: ModuleType) -> None:
        from torchvision.transforms.functional import rgb_to_grayscale

        module.rgb_to_grayscale = rgb_to_grayscale  # type: ignore[attr-defined]


def _is_needed() -> bool:
    return not any(isinstance(finder, _Finder) for finder in sys.meta_path)


def _apply() -> None:
    sys.meta_path.append(_Finder())


REPAIR = Repair(
    defect="`import basicsr` ends in No module named 'torchvision.transforms.functional_tensor'",
    upstream="basicsr/data/degradations.py:8",
    until="a release of BasicSR after 1.4.2 (mended in its git repository)",
    is_needed=_is_needed,
    apply=_apply,
)
