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
    """Raise ``BadImage`` if the format ``form`` cannot hold ``photo`` enlarged: its alpha, 16 bits or size."""
    hint, samples = "write another format, as by --format png", photo.samples
    if photo.has_alpha and form in PLAIN and samples[:, :, -1].min() < np.iinfo(samples.dtype).max:
        raise BadImage(f"{name}: has an alpha channel, which {form} cannot hold; {hint}")
    if samples.dtype == np.uint16 and form in OF_8_BIT:
        raise BadImage(f"{name}: has 16 bit, which {form} cannot hold; {hint}")
    side = upscale * max(photo.size)
    if side > LARGEST.get(form, side):
        raise BadImage(f"{name}: becomes {side} pixels long, {form} allows {LARGEST[form]}; {hint}")


def encode(photo: Photo, form: str, quality: int) -> tuple[bytes, list[str]]:
    """``photo`` as a file, and the names of the metadata that it cannot hold; ``BadImage`` if it cannot be written.

    ``photo`` passes ``check_format`` for ``form``, Pillow's name of the format, and is upright for those in
    ``NOT_TURNED``. ``quality`` is that of JPEG, WebP and AVIF, 1 to 100; JPEG and AVIF keep all chroma samples.
    """
    samples = photo.samples[:, :, :-1] if photo.has_alpha and form in PLAIN else photo.samples  # there it is opaque
    channels, is_deep = samples.shape[2], samples.dtype == np.uint16
    if (channels < 3 and form in ("WEBP", "AVIF")) or (channels == 2 and is_deep):  # grey that no writer here knows
        samples = samples[:, :, [0, 0, 0, 1][: channels + 2]]
    meta = photo.meta.of_size(*photo.size).fitting(is_grey=samples.shape[2] < 3)
    dpi = {"dpi": meta.dpi} if meta.dpi else {}
    parts = {"exif": meta.exif, "icc_profile": meta.icc, "xmp": meta.xmp}
    try:
        if form == "TIFF":
            data, dropped = _tiff(samples, meta), meta.labels()
        elif form == "PNG":
            if is_deep:  # Pillow writes no 16-bit colours, and OpenCV takes BGR
                bgr = samples[:, :, [2, 1, 0, 3][: samples.shape[2]]] if samples.shape[2] > 1 else samples
                data = opencv("the result").imencode(".png", bgr)[1].tobytes()
            else:
                data = _by_pillow(samples, form, compress_level=3)
            data, dropped = into_png(data, meta)
        elif form == "JPEG":
            data, dropped = into_jpeg(_by_pillow(samples, form, quality=quality, subsampling=0, **dpi), meta)
        elif form == "BMP":
            data, names = _by_pillow(samples, form, **dpi), ("EXIF", "profile", "XMP")
            dropped = meta.labels() + [name for name, part in zip(names, parts.values(), strict=True) if part]
        else:
            if form == "AVIF":  # for an orientation, Pillow would write all EXIF anew
                parts["exif"] = tags.without_orientation(meta.exif)
            full = {"subsampling": "4:4:4"} if form == "AVIF" else {}
            data = _by_pillow(samples, form, quality=quality, **full, **parts)
            dropped = meta.labels() + (["resolution"] if dpi else [])
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise BadImage(f"cannot be written as {form} ({error})") from error
    return data, list(dict.fromkeys([*meta.dropped, *dropped]))


def _by_pillow(samples: Samples, form: str, **options: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(samples.squeeze(2) if samples.shape[2] == 1 else samples).save(file, form, **options)
    return file.getvalue()


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

    # The values of EXIF's own tags stay where they are: copied are the entry's last 4 bytes, a value or its place.
    values = {
        tag: (entry.kind, entry.amount, bytes(file[entry.at + 8 : entry.at + 12]))
        for tag, entry in found.entries(found.first).items()
        if tag not in (*tags.PIXELS, tags.XMP, tags.ICC)
    }
    if meta.dpi and tags.RESOLUTION[0] not in values:
        for tag, dots in zip(tags.RESOLUTION, meta.dpi, strict=False):
            values[tag] = 5, 1, struct.pack(found.order + "II", round(dots * 10_000), 10_000)
        values[tags.RESOLUTION[2]] = 3, 1, struct.pack(found.order + "H", 2)  # inches
    values |= {tags.XMP: (1, len(meta.xmp), meta.xmp)} if meta.xmp else {}
    values |= {tags.ICC: (7, len(meta.icc), meta.icc)} if meta.icc else {}
    numbers = {  # of each tag: type and values
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [8 * samples.itemsize] * channels),
        259: ("H", [8]),  # deflated
        262: ("H", [2 if channels > 2 else 1]),  # RGB, or black is zero
        273: ("I", places),
        277: ("H", [channels]),
        278: ("I", [rows]),
        279: ("I", lengths),
        317: ("H", [2]),  # differences
        **({338: ("H", [2])} if channels in (2, 4) else {}),  # straight alpha
    }
    for tag, (letter, found_numbers) in numbers.items():
        content = struct.pack(f"{found.order}{len(found_numbers)}{letter}", *found_numbers)
        values[tag] = 3 if letter == "H" else 4, len(found_numbers), content
    struct.pack_into(found.order + "I", file, 4, tags.write_directory(file, found.order, values))
    return bytes(file)
