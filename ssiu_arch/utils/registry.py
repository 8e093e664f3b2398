"""Registries that work without BasicSR, and pass their content to BasicSR's once it is imported.

The files of the network and the losses say ``from ..utils.registry import ...``. In a fork that is the fork's registry.
Here it is this one, so a network runs without importing BasicSR, torchvision or OpenCV.
"""

from typing import Any


class Registry(dict[str, Any]):
    """Classes and functions by name: the part of BasicSR's ``Registry`` that this package uses."""

    def register(self, item: Any) -> Any:
        """Keep ``item``, a class or function, by its own name; return it."""
        self[item.__name__] = item
        return item

    def hand_over(self, host: Any) -> None:
        """Register everything in ``host``, a registry of BasicSR, except names that it already has."""
        for name, item in self.items():
            if name not in host:
                host.register(item)


ARCH_REGISTRY, LOSS_REGISTRY = Registry(), Registry()
