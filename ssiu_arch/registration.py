"""What ``import ssiu_arch`` does to BasicSR: the repairs, then the registrations.

Nothing here imports BasicSR. A finder at the head of ``sys.meta_path`` notices when somebody else
does and completes the job in the same breath; every process that imports ``ssiu_arch`` is served
alike, the spawned workers of a distributed run included.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from ssiu_arch import patches as repairs

HOST = "basicsr"


def attach() -> None:
    """Repair BasicSR and register SSIU in it, now or as soon as it is imported. Safe to call again."""
    repairs.before_import()
    host = sys.modules.get(HOST)
    if host is not None and not getattr(host.__spec__, "_initializing", False):
        complete()
    elif not any(isinstance(finder, _HostFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _HostFinder())


def complete() -> None:
    """Apply the repairs that need BasicSR's modules, then register network, losses, metrics and model."""
    repairs.after_import()
    from basicsr.utils import registry

    from ssiu_arch.archs import ssiu_arch  # noqa: F401
    from ssiu_arch.losses import fft_loss  # noqa: F401
    from ssiu_arch.metrics import published  # noqa: F401
    from ssiu_arch.models import ssiu_model  # noqa: F401
    from ssiu_arch.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY

    for ours in (ARCH_REGISTRY, LOSS_REGISTRY):
        ours.hand_over(getattr(registry, ours.name))


class _HostFinder(MetaPathFinder):
    """Finds BasicSR where everybody else would, with a loader that calls ``complete`` after it."""

    looking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != HOST or self.looking:
            return None
        self.looking = True  # find_spec below must not meet this finder again
        try:
            spec = find_spec(fullname)
        finally:
            self.looking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenComplete(spec.loader)
        return spec


class _ThenComplete(Loader):
    """Loads a module as ``inner`` does, then completes the plugin's job."""

    def __init__(self, inner: Loader) -> None:
        self.inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = module.__loader__ = self.inner  # inspect and pickle see the real one
        self.inner.exec_module(module)
        complete()
