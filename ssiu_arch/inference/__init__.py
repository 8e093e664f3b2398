"""Inference: the optimised form of a trained SSIU, tiles, and image files in and out."""

from ssiu_arch.inference.fused import FusedSSIU, fuse
from ssiu_arch.inference.tiles import tiled, tiled_bands
from ssiu_arch.inference.upscaler import Upscaler, upscale

__all__ = ["FusedSSIU", "Upscaler", "fuse", "tiled", "tiled_bands", "upscale"]
