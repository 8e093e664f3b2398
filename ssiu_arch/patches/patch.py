"""A repair of BasicSR, and how one is put in force."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Repair:
    """One defect of BasicSR and its remedy.

    Attributes:
        defect: what a user meets without the repair.
        upstream: file and line in the 1.4.2 source.
        until: when the repair can be deleted.
        is_needed: whether the installed BasicSR has the defect.
        apply: the remedy.
    """

    defect: str
    upstream: str
    until: str
    is_needed: Callable[[], bool]
    apply: Callable[[], None]

    def mend(self) -> bool:
        """Apply the remedy where the defect is; whether it was."""
        needed = self.is_needed()
        if needed:
            self.apply()
        return needed


def is_ours(function: Callable[..., Any]) -> bool:
    """Whether ``function`` is a remedy already in the place of what it mends."""
    return function.__module__.startswith("ssiu_arch.")


def replace_everywhere(old: Any, new: Any) -> None:
    """Put ``new`` in the place of the function ``old`` in every module of BasicSR that imported it by name."""
    for name, module in list(sys.modules.items()):
        if name == "basicsr" or name.startswith("basicsr."):
            for attribute, value in list(vars(module).items()):
                if value is old:
                    setattr(module, attribute, new)


class RemovedModule(MetaPathFinder, Loader):
    """Makes a removed module from what replaced it.

    It stands last in ``sys.meta_path``, so a library that has the module never asks it, and what ``fill`` imports is
    imported only when the module is.

    Args:
        name: of the module.
        fill: puts into the module what BasicSR looks for there.
    """

    def __init__(self, name: str, fill: Callable[[ModuleType], None]) -> None:
        self.name, self.fill = name, fill

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's, for its name; none for others."""
        return ModuleSpec(self.name, self) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module."""
        self.fill(module)

    def is_needed(self) -> bool:
        """Whether it does not stand in ``sys.meta_path`` yet."""
        return self not in sys.meta_path

    def stand_in(self) -> None:
        """Have imports of the module find it here."""
        sys.meta_path.append(self)
