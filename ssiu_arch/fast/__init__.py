"""The fast form of SSIU, derived from a trained network by one call."""

from ssiu_arch.fast.fused import FusedSSIU, fuse

__all__ = ["FusedSSIU", "fuse"]
