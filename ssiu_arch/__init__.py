"""SSIU (Ni et al., IEEE TIP 34, 2025), lightweight image super-resolution, as a plugin of BasicSR.

With weights at hand::

    ssiu_arch.upscale(image, scale=2)     enlarge a Pillow image or numpy array with the shipped weights
    ssiu_arch.load("SSIU_x4.pth")         a network from a weight file of any format; "shipped": the package's
    ssiu_arch.fuse(net)                   its optimised form for inference, same output up to rounding
    ssiu_arch.tiled(net, y, upscale=4)    any network tile by tile, in little memory (approximate)

``import ssiu_arch`` is cheap. When BasicSR 1.4.2 is imported, before or after, it gets the patches it needs to run
with current versions of its dependencies (``ssiu_arch.patches``), and ``SSIU``, ``FFTL1Loss``, ``L1FFTLoss`` and
``SSIUModel`` are registered in it. None of the four functions above imports BasicSR.
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
