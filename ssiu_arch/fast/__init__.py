"""The fast form of SSIU, derived from a trained network by one call."""

from ssiu_arch.fast.fused import FusedSSIU, fuse
from ssiu_arch.fast.tiles import tiled

__all__ = ["FusedSSIU", "fuse", "tiled"]
