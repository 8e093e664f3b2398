"""Monkeypatches of BasicSR: which functions one replaces, when it is needed, and what takes their place."""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
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
        """The name of the file that holds the patch."""
        return self.replace.__module__.rpartition(".")[2]

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
        if all(self._is_in(function) for function in functions[: len(self.targets)]):
            return IN_FORCE
        return NEEDED if self.is_needed(*map(original, functions)) else NOT_NEEDED

    def apply(self) -> None:
        """Replace the targets if the patch is needed. Does nothing otherwise, and nothing the second time."""
        if self.state() != NEEDED:
            return
        places = [place for place in map(_resolve, self.targets) if place is not None]
        replacements = self.replace(*(function for _, _, function in places))
        for (owner, name, old), new in zip(places, replacements, strict=True):
            if not self._is_in(old):
                vars(new).update(_patch=self.name, _replaced=old)
                _put(owner, name, old, new)

    def _is_in(self, function: Function) -> bool:
        """Whether this patch made ``function``, or one that it wraps: patches may share a target."""
        while function is not None:
            if getattr(function, "_patch", None) == self.name:
                return True
            function = getattr(function, "_replaced", None)  # type: ignore[assignment]
        return False


def replaces(
    *targets: str, upstream: str, is_needed: Callable[..., bool], reads: tuple[str, ...] = ()
) -> Callable[[Callable[..., Sequence[Function]]], Patch]:
    """Make a patch of a function that takes BasicSR's functions and returns their replacements in the same order.

    The docstring of the decorated function says what a user meets without the patch.

    Args:
        targets: the functions to replace, each ``module:function`` or ``module:Class.method``. A function named in the
            module that defines it is replaced in all modules of BasicSR that imported it; named elsewhere, only there.
        upstream: file and line in the 1.4.2 source.
        is_needed: takes BasicSR's own targets, then ``reads``; whether they have the defect.
        reads: further functions that ``is_needed`` looks at.
    """
    return lambda replace: Patch(targets, reads, upstream, is_needed, replace)


def original(function: Function) -> Function:
    """BasicSR's own function below all patches of it."""
    while hasattr(function, "_replaced"):
        function = function._replaced
    return function


def source(function: Function) -> str:
    """The source text of a function; empty where there is none."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
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
class RemovedModule(MetaPathFinder, Loader):
    """A patch for a module that a library has removed: importing it gives the names of another module.

    It stands last in ``sys.meta_path``: a library that still has the module never asks it.

    Attributes:
        module: that was removed.
        replacement: the module that has its functions today, imported only when ``module`` is.
    """

    name: str
    defect: str
    upstream: str
    module: str
    replacement: str

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of ``module``; None for other names."""
        return ModuleSpec(self.module, self) if fullname == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with the public names of its replacement."""
        held = vars(import_module(self.replacement))
        vars(module).update({name: value for name, value in held.items() if not name.startswith("_")})

    def state(self) -> str:
        """As ``Patch.state``. A module that nobody has imported, or that the library has, needs nothing."""
        if self not in sys.meta_path:
            return NEEDED
        spec = getattr(sys.modules.get(self.module), "__spec__", None)
        return IN_FORCE if spec is not None and spec.loader == self else NOT_NEEDED

    def apply(self) -> None:
        """Answer imports of the module from now on. Safe to call again."""
        if self not in sys.meta_path:
            sys.meta_path.append(self)
