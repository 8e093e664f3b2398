"""The fast form of SSIU, derived from a trained network by one call."""

import basicsr  # noqa: F401  (it first: with it what is registered there is imported, which needs this package)

from ssiu_arch.fast.fused import FusedSSIU, fuse
from ssiu_arch.fast.tiles import tiled, tiled_bands

__all__ = ["FusedSSIU", "fuse", "tiled", "tiled_bands"]
