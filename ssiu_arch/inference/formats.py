"""Writing still images in each file format: samples and metadata."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from ssiu_arch.inference import exif as tags
from ssiu_arch.inference.metadata import Metadata, into_jpeg, into_png
from ssiu_arch.inference.photo import Photo, Samples, opencv
from ssiu_arch.utils.image_files import BadImage

LARGEST = {"JPEG": 65_500, "WEBP": 16_383}  # pixels a side: limits of libjpeg and of WebP
PLAIN = ("JPEG", "BMP")  # formats without alpha
OF_8_BIT = ("JPEG", "BMP", "WEBP", "AVIF")
NOT_TURNED = ("BMP", "AVIF")  # formats whose files cannot say that viewers turn them, as Pillow writes them


def check_format(photo: Photo, form: str, upscale: int, name: object) -> None:
    """Check that ``photo``, enlarged, can be written in the format ``form``.

    Raises:
        BadImage: the format cannot hold it: alpha that is not opaque, 16 bits or the size.
    """
    hint = "write another format, as by --format png"
    if photo.alpha is not None and form in PLAIN and photo.alpha.min() < np.iinfo(photo.alpha.dtype).max:
        raise BadImage(f"{name}: has an alpha channel, which {form} cannot hold; {hint}")
    if photo.colour.dtype == np.uint16 and form in OF_8_BIT:
        raise BadImage(f"{name}: has 16 bit, which {form} cannot hold; {hint}")
    side = upscale * max(photo.size)
    if side > LARGEST.get(form, side):
        raise BadImage(f"{name}: becomes {side} pixels long, {form} allows {LARGEST[form]}; {hint}")


def encode(photo: Photo, form: str, quality: int) -> tuple[bytes, list[str]]:
    """``photo`` as a file, and the names of the metadata that it cannot hold.

    Args:
        photo: an image that passes ``check_format``; upright for formats in ``NOT_TURNED``.
        form: Pillow's name of the format.
        quality: of JPEG, WebP and AVIF, 1 to 100; JPEG and AVIF without chroma subsampling.

    Raises:
        BadImage: it cannot be written.
    """
    has_alpha = photo.alpha is not None and form not in PLAIN  # there it is opaque
    samples = np.concatenate([photo.colour, photo.alpha], axis=2) if has_alpha else photo.colour
    if samples.shape[2] == 2 and samples.dtype == np.uint16:  # neither Pillow nor OpenCV know 16-bit grey with alpha
        samples = samples[:, :, [0, 0, 0, 1]]
    is_rgb = samples.shape[2] > 2 or form in ("WEBP", "AVIF")
    meta = photo.meta.of_size(*photo.size).fitting(3 if is_rgb else 1)
    try:
        if form == "TIFF":
            data, dropped = _tiff(samples, meta), meta.labels()
        elif form == "PNG":
            data = (
                _png_of_16_bit(samples) if samples.dtype == np.uint16 else _by_pillow(samples, form, compress_level=3)
            )
            data, dropped = into_png(data, meta)
        elif form == "JPEG":
            data = _by_pillow(samples, form, quality=quality, subsampling=0, **_resolution(meta))
            data, dropped = into_jpeg(data, meta)
        elif form == "BMP":
            data, dropped = _by_pillow(samples, form, **_resolution(meta)), meta.labels()
            dropped += [what for what, part in (("EXIF", meta.exif), ("profile", meta.icc), ("XMP", meta.xmp)) if part]
        else:
            options = {"subsampling": "4:4:4"} if form == "AVIF" else {}
            exif = tags.without_orientation(meta.exif) if form == "AVIF" else meta.exif  # Pillow writes it anew
            colours = np.repeat(samples[:, :, :1], 3, 2) if samples.shape[2] < 3 else samples[:, :, :3]
            samples = np.concatenate([colours, samples[:, :, -1:]], 2) if has_alpha else colours
            parts = {"exif": exif, "icc_profile": meta.icc, "xmp": meta.xmp}
            data, dropped = _by_pillow(samples, form, quality=quality, **options, **parts), meta.labels()
            dropped += ["resolution"] if meta.dpi else []
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise BadImage(f"cannot be written as {form} ({error})") from error
    return data, list(dict.fromkeys([*meta.dropped, *dropped]))


def _resolution(meta: Metadata) -> dict[str, tuple[float, float]]:
    return {"dpi": meta.dpi} if meta.dpi else {}


def _by_pillow(samples: Samples, form: str, **options: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(samples.squeeze(2) if samples.shape[2] == 1 else samples).save(file, form, **options)
    return file.getvalue()


def _png_of_16_bit(samples: Samples) -> bytes:
    """A PNG by OpenCV, since Pillow writes no 16-bit colours."""
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[samples.shape[2]]  # OpenCV's is BGR
    data: bytes = opencv("the result").imencode(".png", samples[:, :, order])[1].tobytes()
    return data


def _tiff(samples: Samples, meta: Metadata) -> bytes:
    """A TIFF of deflated strips, each sample stored as the difference from its left neighbour.

    Written here, because neither OpenCV nor tifffile writes EXIF's own directories, and Pillow no 16-bit colours::

        EXIF as it was   |   strip   |   strip   |   ...   |   values   |   directory: EXIF's own tags and these
                     zlib, each of 1 MiB uncompressed

    EXIF starts as a TIFF does, so all its offsets hold, also those that maker notes have.
    """
    file = bytearray(meta.exif or b"II*\0\x08\0\0\0" + bytes(6))
    found = tags.Directories(file)
    height, width, channels = samples.shape
    rows = max(2**20 // (width * channels * samples.itemsize), 1)
    places, lengths = [], []
    for at in range(0, height, rows):
        differences = samples[at : at + rows].astype(np.dtype(f"{found.order}u{samples.itemsize}"), order="C")
        differences[:, 1:] -= samples[at : at + rows, :-1]
        places.append(len(file))
        file += zlib.compress(differences.data, 6)
        lengths.append(len(file) - places[-1])
        file += bytes(len(file) % 2)

    values: dict[int, tuple[int, Any]] = {  # of each tag: type, and bytes or whole numbers
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [8 * samples.itemsize] * channels),
        259: (3, [8]),  # deflated
        262: (3, [2 if channels > 2 else 1]),  # RGB, or black is zero
        273: (4, places),
        277: (3, [channels]),
        278: (4, [rows]),
        279: (4, lengths),
        317: (3, [2]),  # differences
    }
    values |= {338: (3, [2])} if channels in (2, 4) else {}  # straight alpha
    values |= {tags.XMP: (1, meta.xmp)} if meta.xmp else {}
    values |= {tags.ICC: (7, meta.icc)} if meta.icc else {}
    entries = {
        tag: bytes(file[entry.at : entry.at + 12])
        for tag, entry in found.entries(found.first).items()
        if tag not in (*tags.PIXELS, tags.XMP, tags.ICC)
    }
    if meta.dpi and tags.RESOLUTION[0] not in entries:
        for tag, dots in zip(tags.RESOLUTION, meta.dpi, strict=False):
            values[tag] = (5, struct.pack(found.order + "II", round(dots * 10_000), 10_000))
        values[tags.RESOLUTION[2]] = (3, [2])  # inches
    for tag, (kind, value) in values.items():
        content = value
        if not isinstance(value, bytes):
            content = struct.pack(f"{found.order}{len(value)}{tags.LETTERS[kind]}", *value)
        count = len(content) // tags.BYTES[kind]
        if len(content) > 4:
            at = len(file)
            file += content + bytes(len(content) % 2)
            content = struct.pack(found.order + "I", at)
        entries[tag] = struct.pack(found.order + "HHI4s", tag, kind, count, content)
    struct.pack_into(found.order + "I", file, 4, len(file))
    file += struct.pack(found.order + "H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    return bytes(file)
