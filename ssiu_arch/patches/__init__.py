"""Monkeypatches that BasicSR 1.4.2 needs with current packages, one file per defect.

``compat`` has what BasicSR needs to import and run; ``import ssiu_arch`` applies it. ``training`` has what changes how
BasicSR trains or reads options; only the ``basicsr`` command and ``ssiu_arch.apply_training_patches()`` apply it.
``ssiu_arch.registration`` calls the functions here around the import of BasicSR.
"""

from importlib import import_module

from ssiu_arch.patches.patch import Patch, RemovedModule

ROOMS = ("compat", "training")


def before_import() -> None:
    """Patch what would stop ``import basicsr`` itself."""
    for patch in import_module(f"{__name__}.compat").REMOVED_MODULES:
        patch.apply()


def apply(room: str) -> None:
    """Apply the patches of ``compat`` or ``training`` to BasicSR, which is imported by now. Safe to call again."""
    for patch in of_room(room):
        patch.apply()


def of_room(room: str) -> tuple[Patch | RemovedModule, ...]:
    """The patches of ``compat`` or ``training``, in the order in which they are applied."""
    return import_module(f"{__name__}.{room}").PATCHES
