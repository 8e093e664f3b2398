"""SSIU (Ni et al., IEEE TIP 34, 2025), lightweight image super-resolution, as a plugin of BasicSR.

``import ssiu_arch`` repairs BasicSR 1.4.2 for today's stack (``ssiu_arch.patches``) and registers
``SSIU``, ``FFTL1Loss``, ``L1FFTLoss`` and ``SSIUModel`` in its registries. Both happen the moment
BasicSR itself is imported, or at once where it already is, so that this import stays cheap: BasicSR
brings torch and torchvision with it and takes several seconds.
"""

from importlib import import_module
from typing import Any

from ssiu_arch import registration
from ssiu_arch.utils.version import __version__

_HOME_OF = {
    "SSIU": "ssiu_arch.archs.ssiu_arch",
    "FFTL1Loss": "ssiu_arch.losses.fft_loss",
    "L1FFTLoss": "ssiu_arch.losses.fft_loss",
    "fft_l1": "ssiu_arch.losses.fft_loss",
    "SSIUModel": "ssiu_arch.models.ssiu_model",
    "apply_training_patches": "ssiu_arch.registration",
    "fuse": "ssiu_arch.inference",
    "load": "ssiu_arch.weights",
    "tiled": "ssiu_arch.inference",
    "upscale": "ssiu_arch.inference",
}
__all__ = [
    "SSIU",
    "FFTL1Loss",
    "L1FFTLoss",
    "SSIUModel",
    "__version__",
    "apply_training_patches",
    "fft_l1",
    "fuse",
    "load",
    "tiled",
    "upscale",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


registration.attach()
