"""Image files and EXIF made and read by hand, so that no test of metadata trusts the code it tests."""

import struct
import zlib
from dataclasses import replace
from io import BytesIO

import numpy as np
import tifffile
from PIL import Image, ImageCms

from ssiu_arch.inference.formats import NOT_TURNED, check_format, encode
from ssiu_arch.inference.photo import read_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY = SRGB[:16] + b"GRAY" + SRGB[20:]
CMYK = SRGB[:16] + b"CMYK" + SRGB[20:]
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>\xc3\xa9</x:xmpmeta>"
ARTIST = "José Núñez © 2024".encode()


def exif_of(order="<", main=(), exposure=()):
    """EXIF by hand: artist, maker note at an odd place, and further entries ``(tag, type, count, value)``."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    note = b"maker\0" + bytes(range(256))
    count = 2 + len(main)
    after = 8 + 2 + 12 * count + 4
    inner = after + len(ARTIST)
    entries = [(315, 2, len(ARTIST), after), *main, (34665, 4, 1, inner)]
    notes = inner + 2 + 12 * (1 + len(exposure)) + 4 + 3

    def directory(entries):
        rows = b"".join(
            struct.pack(order + "HHI", tag, kind, n)
            + struct.pack(order + ("HH" if kind == 3 else "I"), *([value, 0] if kind == 3 else [value]))
            for tag, kind, n, value in sorted(entries)
        )
        return struct.pack(order + "H", len(entries)) + rows + bytes(4)

    return head + directory(entries) + ARTIST + directory([*exposure, (37500, 7, len(note), notes)]) + bytes(3) + note


EXIF = exif_of()


def chunk(kind, content, wrong=0):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content) ^ wrong)


def with_chunks(data, *chunks):
    """A PNG with raw chunks behind its header."""
    return b"".join([data[:33], *chunks, data[33:]])


def chunks(data):
    """Kinds and contents of a PNG's chunks, in order."""
    found, at = [], 8
    while at < len(data):
        (n,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + n]))
        at += 12 + n
    return found


def segments(data):
    """Markers and contents of a JPEG's segments before its samples."""
    found, at = [], 2
    while data[at + 1] != 0xDA:
        (n,) = struct.unpack_from(">H", data, at + 2)
        found.append((data[at + 1], data[at + 4 : at + 2 + n]))
        at += 2 + n
    return found


def tags(data):
    """Tags of the first directory of a TIFF file or of EXIF, with the bytes of their values."""
    with tifffile.TiffFile(BytesIO(data)) as file:
        order, found = file.byteorder, {}
        for tag in file.pages[0].tags:
            file.filehandle.seek(tag.valueoffset)
            found[tag.code] = file.filehandle.read(tag.valuebytecount)
    return order, found


def saved(image, form, **options):
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def noise(channels, top=255):
    dtype = np.uint16 if top > 255 else np.uint8
    return np.random.default_rng(channels).integers(0, top + 1, (6, 5, channels)).astype(dtype)


def enlarged(path, form, scale=2):
    """The file and the names of what is not kept, as ``ssiu upscale`` makes them, by nearest neighbours."""
    photo = read_photo(path)
    if form != photo.format or form in NOT_TURNED:
        photo = photo.upright()
    check_format(photo, form, scale, path)
    return encode(replace(photo, samples=photo.samples.repeat(scale, 0).repeat(scale, 1)), form, 95)


def found_in(data, form):
    """Metadata of a result: EXIF, profile, XMP and resolution as bytes, and the names of the rest."""
    if form == "PNG":
        parts, names = {}, {}
        for kind, content in chunks(data):
            names.setdefault(kind, []).append(content)
            if content.startswith(b"XML:com.adobe.xmp\0"):
                parts["XMP"] = content[22:]
        if b"iCCP" in names:
            parts["profile"] = zlib.decompress(names[b"iCCP"][0].split(b"\0\0", 1)[1])
        parts["EXIF"] = names.get(b"eXIf", [b""])[0]
        parts["resolution"] = names.get(b"pHYs", [b""])[0]
        return parts, names
    if form == "JPEG":
        found = segments(data)
        icc = b"".join(content[14:] for marker, content in found if marker == 0xE2)
        named = {
            "EXIF": (0xE1, b"Exif\0\0"),
            "XMP": (0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
            "comment": (0xFE, b""),
            "resolution": (0xE0, b"JFIF\0\1\1\1"),
        }
        parts = {
            name: content[len(start) :]
            for name, (marker, start) in named.items()
            for kind, content in found
            if kind == marker and content.startswith(start)
        }
        return {**parts, "profile": icc}, {}
    info = Image.open(BytesIO(data)).info
    parts = {"EXIF": info.get("exif", b""), "profile": info.get("icc_profile", b""), "XMP": info.get("xmp", b"")}
    if form == "TIFF":
        parts["EXIF"] = b"" if 315 not in tags(data)[1] else data
    return {**parts, "resolution": info.get("dpi")}, {}
