"""Enlarging images: numpy's and Pillow's (``upscale``), and files with all that belongs to them (``ssiu upscale``)."""

from ssiu_arch.upscaling.image import upscale
from ssiu_arch.upscaling.upscaler import Upscaler

__all__ = ["Upscaler", "upscale"]
