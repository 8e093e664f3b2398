"""Monkeypatches that BasicSR 1.4.2 needs with current packages; ``docs/patches.md`` lists them.

``compat`` has what BasicSR needs to import and run; ``import ssiu_arch`` applies it. ``training`` has what changes how
BasicSR trains or reads options; only the ``basicsr`` command and ``ssiu_arch.apply_training_patches()`` apply it.
``ssiu_arch.registration`` calls the functions here around the import of BasicSR.
"""

from importlib import import_module

from ssiu_arch.patches.patch import Patch, RemovedModule

ROOMS = ("compat", "training")


def before_import() -> None:
    """Patch what would stop ``import basicsr`` itself. Imports torchvision and SciPy, as BasicSR does."""
    for patch in of_room("compat"):
        if isinstance(patch, RemovedModule):
            patch.apply()


def apply(room: str) -> None:
    """Apply the patches of ``compat`` or ``training`` to BasicSR, which is imported by now. Safe to call again."""
    for patch in of_room(room):
        patch.apply()


def of_room(room: str) -> tuple[Patch | RemovedModule, ...]:
    """The patches of ``compat`` or ``training``, in the order in which they are applied."""
    held = [value for module in import_module(f"{__name__}.{room}").MODULES for value in vars(module).values()]
    return tuple(value for value in held if isinstance(value, (Patch, RemovedModule)))
