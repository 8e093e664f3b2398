"""Writing photos: the samples, and what belongs to them, in each file format."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from ssiu_arch.data.images import BadImage
from ssiu_arch.inference.photo import Photo, Samples

LARGEST = {"JPEG": 65_500, "WEBP": 16_383}  # pixels a side: of libjpeg, of the format
PLAIN = ("JPEG", "BMP")  # formats without alpha
OF_8_BIT = ("JPEG", "BMP", "WEBP")
PIXELS = {40962: 1, 40963: 0}  # EXIF's tags of width and height, and their place in (H, W)


def check_format(photo: Photo, form: str, upscale: int, name: object) -> None:
    """See that ``photo``, enlarged, can be written as ``form``, before it is.

    Raises:
        BadImage: the format holds no such image.
    """
    hint = "write another format, as by --format png"
    if photo.alpha is not None and form in PLAIN:
        raise BadImage(f"{name}: has an alpha channel, which {form} cannot hold; {hint}")
    if photo.colour.dtype == np.uint16 and form in OF_8_BIT:
        raise BadImage(f"{name}: has 16 bit, which {form} cannot hold; {hint}")
    side = upscale * max(photo.size)
    if side > LARGEST.get(form, side):
        raise BadImage(f"{name}: becomes {side} pixels long, and {form} ends at {LARGEST[form]}; {hint}")


def encode(photo: Photo, form: str, quality: int) -> bytes:
    """``photo`` as a file.

    Args:
        photo: one that ``check_format`` lets pass.
        form: Pillow's name of the format.
        quality: of JPEG and WebP, 1 to 100; colours are not subsampled.

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
    """The photo's EXIF, its size in pixels corrected where it is given."""
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
    """A PNG of deflated rows, each the difference from the row above; Pillow writes none of 16 bit but grey."""
    height, width, channels = samples.shape
    stored = np.ascontiguousarray(samples.astype(">u2")).view(np.uint8).reshape(height, -1)
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))]
    if icc:
        chunks.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if exif:
        chunks.append(_chunk(b"eXIf", _exif_bytes(exif).removeprefix(b"Exif\0\0")))
    deflate = zlib.compressobj(4)
    for at in range(0, height, 256):
        rows = np.full((len(stored[at : at + 256]), 1 + stored.shape[1]), 2, np.uint8)  # 2: from the row above
        rows[:, 1:] = stored[at : at + 256]
        above = stored[max(at - 1, 0) : at + len(rows) - 1]
        rows[len(rows) - len(above) :, 1:] -= above
        chunks.append(_chunk(b"IDAT", deflate.compress(rows.data)))
    return b"".join([b"\x89PNG\r\n\x1a\n", *chunks, _chunk(b"IDAT", deflate.flush()), _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes | memoryview) -> bytes:
    check = zlib.crc32(data, zlib.crc32(kind))
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)])


def _tiff(samples: Samples, icc: bytes | None, exif: dict[int, Any]) -> bytes:
    """A TIFF of deflated strips, each sample the difference from its left neighbour; Pillow writes none of 16 bit."""
    if samples.shape[2] == 2 and samples.dtype == np.uint16:  # nor does it read one of grey and alpha
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
        tags[338] = 2  # alpha, not multiplied into the colours
    if icc:
        tags[34675] = icc
    for tag, value in tags.items():
        directory[tag] = value
    file = BytesIO()
    file.write(b"II*\0\x08\0\0\0")
    file.write(directory.tobytes(8))  # which shifts the strips' places by its own length
    for strip in strips:
        file.write(strip)
    return file.getvalue()
