"""Writing still images in each file format: samples, ICC profile and EXIF."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from ssiu_arch.inference.photo import Photo, Samples, opencv
from ssiu_arch.utils.image_files import BadImage

LARGEST = {"JPEG": 65_500, "WEBP": 16_383}  # pixels a side: limits of libjpeg and of WebP
PLAIN = ("JPEG", "BMP")  # formats without alpha
OF_8_BIT = ("JPEG", "BMP", "WEBP")
PIXELS = {40962: 1, 40963: 0}  # EXIF tags of width and height: index in (H, W)


def check_format(photo: Photo, form: str, upscale: int, name: object) -> None:
    """Check that ``photo``, enlarged, can be written in the format ``form``.

    Raises:
        BadImage: the format cannot hold it: alpha, 16 bits or the size.
    """
    hint = "write another format, as by --format png"
    if photo.alpha is not None and form in PLAIN:
        raise BadImage(f"{name}: has an alpha channel, which {form} cannot hold; {hint}")
    if photo.colour.dtype == np.uint16 and form in OF_8_BIT:
        raise BadImage(f"{name}: has 16 bit, which {form} cannot hold; {hint}")
    side = upscale * max(photo.size)
    if side > LARGEST.get(form, side):
        raise BadImage(f"{name}: becomes {side} pixels long, {form} allows {LARGEST[form]}; {hint}")


def encode(photo: Photo, form: str, quality: int) -> bytes:
    """``photo`` as a file.

    Args:
        photo: an image that passes ``check_format``.
        form: Pillow's name of the format.
        quality: of JPEG and WebP, 1 to 100; JPEG without chroma subsampling.

    Raises:
        BadImage: it cannot be written.
    """
    samples = photo.colour if photo.alpha is None else np.concatenate([photo.colour, photo.alpha], axis=2)
    exif = _with_size(photo)
    try:
        if form == "TIFF":
            return _tiff(samples, photo.icc, exif)
        if samples.dtype == np.uint16:
            return _png_of_16_bit(samples, photo.icc, exif)
        return _by_pillow(samples, photo.icc, exif, form, quality)
    except (OSError, ValueError, struct.error) as error:
        raise BadImage(f"cannot be written as {form} ({error})") from error


def _with_size(photo: Photo) -> dict[int, Any]:
    """The EXIF of the photo, with the size in pixels corrected if it has one."""
    details = photo.exif.get(34665, {})
    sizes = {tag: photo.size[place] for tag, place in PIXELS.items() if tag in details}
    return {**photo.exif, 34665: {**details, **sizes}} if sizes else photo.exif


def _by_pillow(samples: Samples, icc: bytes | None, exif: dict[int, Any], form: str, quality: int) -> bytes:
    options: dict[str, Any] = {
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality},
        "PNG": {"compress_level": 3},
        "BMP": {},
    }[form]
    if icc and form != "BMP":
        options["icc_profile"] = icc
    if exif and form != "BMP":
        options["exif"] = _exif_bytes(exif)
    file = BytesIO()
    Image.fromarray(samples.squeeze(2) if samples.shape[2] == 1 else samples).save(file, form, **options)
    return file.getvalue()


def _exif_bytes(exif: dict[int, Any]) -> bytes:
    written = Image.Exif()
    for tag, value in exif.items():
        written[tag] = value
    return written.tobytes()


def _png_of_16_bit(samples: Samples, icc: bytes | None, exif: dict[int, Any]) -> bytes:
    """A PNG by OpenCV, since Pillow writes no 16-bit colours; profile and EXIF are inserted behind its header."""
    cv2 = opencv("the result")
    order = {1: [0], 2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[samples.shape[2]]  # OpenCV's is BGR
    data = cv2.imencode(".png", samples[:, :, order])[1].tobytes()
    chunks = []
    if icc:
        chunks.append(b"iCCP" + b"ICC Profile\0\0" + zlib.compress(icc))
    if exif:
        chunks.append(b"eXIf" + _exif_bytes(exif).removeprefix(b"Exif\0\0"))
    inserted = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"".join([data[:33], *inserted, data[33:]])  # 33: signature and header


def _tiff(samples: Samples, icc: bytes | None, exif: dict[int, Any]) -> bytes:
    """A TIFF of deflated strips, each sample stored as the difference from its left neighbour.

    Written here, because neither OpenCV nor tifffile writes EXIF's own directories, and Pillow no 16-bit colours::

        header 8 B   |   directory: tags, EXIF, GPS   |   strip   |   strip   |   ...
                     Pillow's; moves the offsets      zlib, each of 1 MiB uncompressed
    """
    if samples.shape[2] == 2 and samples.dtype == np.uint16:  # Pillow does not read 16-bit grey with alpha
        samples = samples[:, :, [0, 0, 0, 1]]
    height, width, channels = samples.shape
    rows = max(2**20 // (width * channels * samples.itemsize), 1)
    strips = []
    for at in range(0, height, rows):
        differences = samples[at : at + rows].astype(samples.dtype.newbyteorder("<"), order="C")
        differences[:, 1:] -= samples[at : at + rows, :-1]
        strips.append(zlib.compress(differences.data, 6))

    directory = ImageFileDirectory_v2(b"II*\0\x08\0\0\0")
    tags = {
        **exif,
        256: width,
        257: height,
        258: (8 * samples.itemsize,) * channels,
        259: 8,  # deflated
        262: 2 if channels > 2 else 1,  # RGB, or black is zero
        273: tuple(int(at) for at in np.cumsum([0, *map(len, strips[:-1])])),
        277: channels,
        278: rows,
        279: tuple(map(len, strips)),
        317: 2,  # differences
    }
    if channels in (2, 4):
        tags[338] = 2  # straight alpha
    if icc:
        tags[34675] = icc
    for tag, value in tags.items():
        directory[tag] = value
    file = BytesIO()
    file.write(b"II*\0\x08\0\0\0")
    file.write(directory.tobytes(8))  # moves the strips' offsets by its own length
    for strip in strips:
        file.write(strip)
    return file.getvalue()
