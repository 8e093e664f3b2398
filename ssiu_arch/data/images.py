"""Reads common image formats by fixed rules, writes PNG, and finds the LR file of an HR file."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.image_files import (  # noqa: F401 (some are for importers of this module)
    EXTENSIONS,
    PNG_SIGNATURE,
    BadImage,
    check_png,
    list_images,
)

Image = NDArray[np.uint8]

RULES = """\
  grey           becomes three equal channels
  alpha          is dropped where opaque, else the image is laid on white; transparent TIFF: rejected
  16 bit         becomes 8 bit: v/257, rounded half up
  EXIF rotation  is applied
  several pages  only the first is read
  other depths such as float, damaged files: rejected, each with a message"""
PNG_LEVEL = 1  # BasicSR's
PNG_PARAMETERS = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # OpenCV 4.11 on
    PNG_PARAMETERS += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]


def read_image(path: Path) -> Image:
    """The image in ``path`` as (H, W, 3), BGR, uint8; see ``decode_image``."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadImage(f"{path}: cannot be read ({error.strerror or error})") from None
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str) -> Image:
    """The image in the bytes of a file, by ``RULES``: (H, W, 3), BGR as in OpenCV and BasicSR, uint8.

    Raises:
        BadImage: the file, called ``name``, is empty, damaged or no image, or ``RULES`` reject it.
    """
    if not data:
        raise BadImage(f"{name}: is empty (0 bytes); fetch it again")
    if data.startswith(PNG_SIGNATURE):
        check_png(data, name)
    image = _decode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is None:
        raise BadImage(f"{name}: is damaged, or no image at all ({len(data)} bytes); fetch or export it again")
    if image.dtype not in (np.uint8, np.uint16):
        raise BadImage(f"{name}: has samples of type {image.dtype}; export it with 8 or 16 bit")
    if _may_have_alpha(data):
        opaque, image = image, _on_white(image, _decode(data, cv2.IMREAD_UNCHANGED))
        if data.startswith((b"II", b"MM")) and not np.array_equal(image, opaque):  # libtiff multiplied some by alpha
            raise BadImage(f"{name}: is a transparent TIFF, which decoders read differently; export it as PNG")
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return image


def encode_png(image: Image) -> bytes:
    """``image`` (H, W[, C]), uint8, as a PNG file.

    Run-length encoding of the differences from the row above: for photos 5 % smaller than OpenCV's default at this
    level, written in 0.5 and read in 0.56 of the time.
    """
    return cv2.imencode(".png", image, PNG_PARAMETERS)[1].tobytes()


def write_image(path: Path, image: Image) -> None:
    """Write ``image`` to ``path`` as PNG, atomically; see ``write_file``."""
    write_file(path, encode_png(image))


def _decode(data: bytes, flags: int) -> NDArray[Any] | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # such as a header with more pixels than OpenCV allows
        return None


def png_kind(path: Path) -> str | None:
    """``16 bit`` or ``alpha channel`` of a PNG file that is not plain; None for any other file."""
    with open(path, "rb") as file:
        head = file.read(26)
    if not head.startswith(PNG_SIGNATURE) or len(head) < 26:
        return None
    return "16 bit" if head[24] == 16 else "alpha channel" if head[25] in (4, 6) else None


def _may_have_alpha(data: bytes) -> bool:
    if data.startswith(PNG_SIGNATURE):
        return data[25] in (4, 6) or b"tRNS" in data[: data.find(b"IDAT")]  # byte 25: the colour type
    return not data.startswith(b"\xff\xd8")  # JPEG has none


def _on_white(image: NDArray[Any], raw: NDArray[Any] | None) -> NDArray[Any]:
    """Blend ``image`` with white by the alpha channel of ``raw``, the same image before EXIF rotation.

    ``raw`` is turned by that of the eight EXIF orientations that gives ``image``. If none does, its fourth channel is
    not alpha (CMYK), and ``image`` is returned as it is.
    """
    if raw is None or raw.ndim != 3 or raw.shape[2] != 4:
        return image
    for turned in (view for flipped in (raw, raw[:, ::-1]) for view in (np.rot90(flipped, k) for k in range(4))):
        if np.array_equal(turned[..., :3], image):
            top = np.iinfo(image.dtype).max
            alpha = turned[..., 3:].astype(np.float64) / top
            return np.floor(image * alpha + top * (1 - alpha) + 0.5).astype(image.dtype)
    return image


def lr_path(hr: Path, lr_folder: Path, scale: int, template: str | None = None) -> Path | None:
    """The LR file of the HR file ``hr``; None: there is none.

    ``template`` is BasicSR's ``filename_tmpl``, such as ``{}x4``; None: ``NAMEx4`` or ``NAME``, also as PNG.
    """
    templates = (f"{{}}x{scale}", "{}") if template is None else (template,)
    suffixes = (hr.suffix, ".png") if template is None else (hr.suffix,)
    paths = (lr_folder / f"{name.format(hr.stem)}{suffix}" for name in templates for suffix in suffixes)
    return next((path for path in paths if path.is_file()), None)
