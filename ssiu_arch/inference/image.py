"""``ssiu_arch.upscale``: one image of numpy or Pillow."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.inference.fused import FusedSSIU
from ssiu_arch.inference.photo import from_pillow
from ssiu_arch.inference.upscaler import Array, Upscaler, upscaled_alpha
from ssiu_arch.weights import load
from ssiu_arch.weights.shipped import weights_path
from ssiu_arch.weights.ssiu import check_scale


def upscale(
    image: Any,
    net: SSIU | FusedSSIU | Upscaler | str | Path = "shipped",
    *,
    scale: int | None = None,
    **options: Any,
) -> Any:
    """Enlarge an image.

    Args:
        image: a Pillow image, or an array: ``(h, w)`` grey, ``(h, w, 2)`` grey and alpha, ``(h, w, 3)`` RGB or
            ``(h, w, 4)`` RGB and alpha; uint8, uint16, or floating point in [0, 1]. Convert OpenCV's BGR to RGB first.
        net: a trained SSIU, its optimised form, an ``Upscaler``, or a file of weights, which is read once per process.
            ``shipped``: the weights of the package.
        scale: 2, 3 or 4: picks the shipped weights (default 4); must be that of any other ``net``.
        options: of ``Upscaler``: ``precision``, ``self_ensemble``, ``tile``, ``overlap``.

    Returns:
        The same kind: an array of the same type and channels, or a Pillow image of the same mode with its ICC profile
        and EXIF (a palette becomes RGB).

    Raises:
        UserError: the file of weights cannot be used, the image has a mode that is not supported, or out of memory.
        ValueError: ``image`` or an option is not one of these, or ``net`` is for another scale.
    """
    named: object = f"of net ({type(net).__name__})"
    if isinstance(net, (str, Path)):
        named = path = weights_path(net, scale)
        status = path.stat() if path.is_file() else None
        net = _network(path, status and (status.st_mtime_ns, status.st_size))
    check_scale(named, net.upscale, scale)
    upscaler = net if isinstance(net, Upscaler) else Upscaler(net, **options)
    if isinstance(net, Upscaler) and options:
        raise ValueError(f"options ({', '.join(options)}) are the Upscaler's, which is there already")
    if isinstance(image, Image.Image):
        return _of_pillow(image, upscaler)
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] > 4):
        what = f"an array {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image ({what}) must be a Pillow image or an array (h, w), or (h, w, C) with 1 to 4 channels")
    return _of_channels(image[:, :, None], upscaler)[:, :, 0] if image.ndim == 2 else _of_channels(image, upscaler)


@lru_cache(maxsize=4)
def _network(path: Path, _version: object) -> SSIU:
    """The network of a file of weights; read again when ``_version``, its time and size, has changed."""
    return load(path)


def _of_channels(samples: Array, upscaler: Upscaler) -> Array:
    colours = samples.shape[2] - (samples.shape[2] in (2, 4))
    colour = upscaler(samples[:, :, :colours])
    if colours == samples.shape[2]:
        return colour
    return np.concatenate([colour, upscaled_alpha(upscaler, samples[:, :, colours:])], axis=2)


def _of_pillow(image: Image.Image, upscaler: Upscaler) -> Image.Image:
    if image.mode.startswith("I;16"):
        samples = np.asarray(image).astype(np.uint16)[:, :, None]
    else:
        photo = from_pillow(image)
        samples = photo.colour if photo.alpha is None else np.concatenate([photo.colour, photo.alpha], axis=2)
    result = _of_channels(samples, upscaler)
    enlarged = Image.fromarray(result[:, :, 0] if result.shape[2] == 1 else result)
    enlarged.info = {name: image.info[name] for name in ("icc_profile", "exif", "dpi") if name in image.info}
    return enlarged
