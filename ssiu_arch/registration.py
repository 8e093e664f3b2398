"""What ``import ssiu_arch`` does to BasicSR: the compatibility patches, then the registrations.

Nothing here imports BasicSR. A finder at the head of ``sys.meta_path`` notices the import of BasicSR and completes the
job right after it. This also serves processes that are spawned, such as the workers of a distributed run.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from ssiu_arch import patches

HOST = "basicsr"

_rooms = ["compat"]  # of the patches to apply


def attach() -> None:
    """Patch BasicSR and register SSIU in it, now or as soon as it is imported. Safe to call again."""
    host = sys.modules.get(HOST)
    if host is not None and not getattr(host.__spec__, "_initializing", False):
        complete()
    elif not any(isinstance(finder, _HostFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _HostFinder())


def apply_training_patches() -> None:
    """Apply the patches that change how BasicSR trains or reads options: ``docs/patches.md`` lists them.

    They bring exact resume, atomic checkpoints and clear errors to a ``train.py`` of your own; the ``basicsr`` command
    has them by itself. Call it before or after ``import basicsr``, before the training starts. Safe to call again.
    """
    if "training" not in _rooms:
        _rooms.append("training")
    attach()


def complete() -> None:
    """Apply the patches that need BasicSR's modules, then register network, losses, metrics and model."""
    for room in _rooms:
        patches.apply(room)
    from basicsr.utils import registry

    from ssiu_arch.archs import ssiu_arch  # noqa: F401
    from ssiu_arch.integrations import rivals  # noqa: F401
    from ssiu_arch.losses import fft_loss  # noqa: F401
    from ssiu_arch.metrics import published  # noqa: F401
    from ssiu_arch.models import ssiu_model  # noqa: F401
    from ssiu_arch.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY

    ARCH_REGISTRY.hand_over(registry.ARCH_REGISTRY)
    LOSS_REGISTRY.hand_over(registry.LOSS_REGISTRY)


class _HostFinder(MetaPathFinder):
    """Finds BasicSR where the other finders do, with a loader that calls ``complete`` after it."""

    looking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != HOST or self.looking:
            return None
        self.looking = True  # find_spec below must not ask this finder again
        try:
            spec = find_spec(fullname)
        finally:
            self.looking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenComplete(spec.loader)
        return spec


class _ThenComplete(Loader):
    """Loads a module as ``inner`` does, patches before it, and calls ``complete`` after it."""

    def __init__(self, inner: Loader) -> None:
        self.inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = module.__loader__ = self.inner  # inspect and pickle see the real one
        patches.before_import()
        self.inner.exec_module(module)
        complete()
