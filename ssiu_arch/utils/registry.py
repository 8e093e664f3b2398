"""Registries that work without BasicSR, and hand over to BasicSR's own once that is imported.

The architecture and loss files say ``from ..utils.registry import ...``. Copied into a fork, they find the fork's
registry. Here they find these, so that loading and running a network does not import BasicSR, torchvision or OpenCV.
"""

from typing import Any


class Registry:
    """The part of BasicSR's ``Registry`` that the files of this package use.

    Args:
        name: of BasicSR's registry, in ``basicsr.utils.registry``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._held: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def register(self, item: Any) -> Any:
        """Hold ``item``, a class or function, under its own name until ``hand_over``; returns it."""
        self._held[item.__name__] = item
        return item

    def hand_over(self, host: Any) -> None:
        """Register everything held here in ``host``, a registry of BasicSR, except for names that it has already."""
        for name, item in self._held.items():
            if name not in host:
                host.register(item)


ARCH_REGISTRY = Registry("ARCH_REGISTRY")
LOSS_REGISTRY = Registry("LOSS_REGISTRY")
