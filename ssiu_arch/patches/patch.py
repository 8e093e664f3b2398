"""Monkeypatches of BasicSR: which functions one replaces, when it is needed, and what takes their place."""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

Function = Callable[..., Any]

IN_FORCE = "in force"
NEEDED = "needed, but not in force"
NOT_NEEDED = "not needed here"
NOT_APPLICABLE = "not applicable to this basicsr"


@dataclass(frozen=True)
class Patch:
    """One defect of BasicSR and the functions that replace those which have it; see ``replaces``."""

    targets: tuple[str, ...]
    reads: tuple[str, ...]
    upstream: str
    is_needed: Callable[..., bool]
    replace: Callable[..., Sequence[Function]]

    @property
    def name(self) -> str:
        """The name of the decorated function."""
        return self.replace.__name__

    @property
    def defect(self) -> str:
        """What a user meets without the patch."""
        return " ".join(str(self.replace.__doc__).split())

    def state(self) -> str:
        """One of ``IN_FORCE``, ``NEEDED``, ``NOT_NEEDED``, ``NOT_APPLICABLE``, by the functions as they are now."""
        found = [_resolve(target) for target in (*self.targets, *self.reads)]
        if None in found:
            return NOT_APPLICABLE
        functions = [place[2] for place in found if place is not None]
        if all(self.name in _patches(function) for function in functions[: len(self.targets)]):
            return IN_FORCE
        return NEEDED if self.is_needed(*(_source(original(function)) for function in functions)) else NOT_NEEDED

    def apply(self) -> None:
        """Replace the targets if the patch is needed. Does nothing otherwise, and nothing the second time."""
        if self.state() != NEEDED:
            return
        places = [place for place in map(_resolve, self.targets) if place is not None]
        replacements = self.replace(*(function for _, _, function in places))
        for (owner, name, old), new in zip(places, replacements, strict=True):
            if self.name not in _patches(old):
                vars(new).update(_patches=(*_patches(old), self.name), _original=original(old))
                _put(owner, name, old, new)


def replaces(
    *targets: str, upstream: str, is_needed: Callable[..., bool], reads: tuple[str, ...] = ()
) -> Callable[[Callable[..., Sequence[Function]]], Patch]:
    """Make a patch of a function that takes BasicSR's functions and returns their replacements in the same order.

    The name of the decorated function is the patch's; its docstring says what a user meets without it.

    Args:
        targets: the functions to replace, each ``module:function`` or ``module:Class.method``. A function named in the
            module that defines it is replaced in all modules of BasicSR that imported it; named elsewhere, only there.
        upstream: file and line in the 1.4.2 source.
        is_needed: takes the source texts of BasicSR's own targets, then of ``reads``; whether they have the defect.
        reads: further functions that ``is_needed`` looks at.
    """
    return lambda replace: Patch(targets, reads, upstream, is_needed, replace)


def original(function: Function) -> Function:
    """BasicSR's own function below all patches of it."""
    return getattr(function, "_original", function)


def _patches(function: Function) -> tuple[str, ...]:
    """The names of the patches that made ``function`` and those that it wraps: patches may share a target."""
    return getattr(function, "_patches", ())


def _source(function: Function) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):  # compiled, or gone
        return ""


def _resolve(target: str) -> tuple[Any, str, Function] | None:
    """The module or class that holds a target, the target's name there, and the target; None if BasicSR lacks it."""
    module, _, path = target.partition(":")
    *classes, name = path.split(".")
    try:
        owner: Any = import_module(module)
        for inner in classes:
            owner = getattr(owner, inner)
        return owner, name, vars(owner)[name]
    except (ImportError, AttributeError, KeyError):
        return None


def _put(owner: Any, name: str, old: Function, new: Function) -> None:
    setattr(owner, name, new)
    if inspect.ismodule(owner) and original(old).__module__ == owner.__name__:
        for module in [module for key, module in sys.modules.items() if key.partition(".")[0] == "basicsr"]:
            for attribute in [attribute for attribute, value in vars(module).items() if value is old]:
                setattr(module, attribute, new)


@dataclass(frozen=True)
class RemovedModule:
    """A patch for a module that a library has removed: the module that has its functions today takes its place.

    Attributes:
        module: that was removed.
        replacement: the module that has its functions today.
    """

    name: str
    defect: str
    upstream: str
    module: str
    replacement: str

    def state(self) -> str:
        """As ``Patch.state``. It imports the packages that the module belongs to."""
        try:
            found = sys.modules.get(self.module) or find_spec(self.module)
        except ImportError:  # without the library, BasicSR's own error says so
            return NOT_APPLICABLE
        if found is None:
            return NEEDED
        return IN_FORCE if getattr(found, "__name__", None) == self.replacement else NOT_NEEDED

    def apply(self) -> None:
        """Let the module be its replacement, if the library lacks it. Safe to call again."""
        if self.state() == NEEDED:
            sys.modules[self.module] = import_module(self.replacement)
