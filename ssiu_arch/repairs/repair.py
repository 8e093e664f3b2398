"""A repair of BasicSR, and how one is put in force."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
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
