"""What becomes of pixels and of each kind of metadata between all formats, by nearest-neighbour enlargement.

Files are written by Pillow, tifffile and by hand, and the results are read by those and OpenCV.
"""

import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from ssiu_arch.utils.image_files import BadImage
from tests.inference.by_hand import ARTIST, EXIF, GREY, SRGB, XMP, chunk, enlarged, found_in, noise, saved, tags

TEXTS = [
    (b"tEXt", b"Title\0caf\xe9"),
    (b"zTXt", b"Log\0\0" + zlib.compress(b"line\n" * 99)),
    (b"iTXt", b"Comment\0\0\0es\0Nota\0" + ARTIST),
]
COLOURS = [(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *range(8))), (b"cICP", b"\1\x0d\0\1")]
PHYS = (b"pHYs", struct.pack(">IIB", 11811, 5906, 1))  # 300 x 150 dpi


def raw_png(samples, bits, colour_type, *extra):
    """A PNG by hand from ``(H, W, C)`` of its samples, at most one channel below 8 bits."""
    if bits < 8:
        rows = [
            np.packbits(np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - bits :]) for row in samples[:, :, 0]
        ]
        rows = [row.tobytes() for row in rows]
    else:
        rows = [row.astype(f">u{bits // 8}").tobytes() for row in samples]
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *extra, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def of_png(bits, colour_type, channels):
    """A PNG with every kind of metadata, and the samples that it means."""
    samples, palette, meaning = noise(channels, 2**bits - 1), [], None
    if colour_type == 3:
        table = noise(3)[:4].reshape(-1)[:12]
        samples = noise(1, 3)
        palette, meaning = [(b"PLTE", table.tobytes())], table.reshape(4, 3)[samples[:, :, 0]]
    icc = (b"iCCP", b"name\0\0" + zlib.compress(GREY if colour_type in (0, 4) else SRGB))
    xmp = (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    extra = [*COLOURS, icc, *palette, PHYS, *TEXTS, (b"eXIf", EXIF), xmp, (b"prVt", b"private")]
    if meaning is None:
        meaning = samples * (255 // (2**bits - 1)) if bits < 8 else samples
    return raw_png(samples, bits, colour_type, *extra), meaning


def of_pillow(form, channels, mode=None, **options):
    """A file by Pillow with all that the format holds, and its samples as Pillow decodes them."""
    samples = noise(channels)
    image = Image.fromarray(samples[:, :, 0] if channels == 1 else samples)
    image = image.convert(mode) if mode else image
    data = saved(image, form, **options)
    image = Image.open(BytesIO(data))
    return data, np.asarray(image.convert("RGB") if image.mode == "P" else image).reshape(6, 5, channels)


def of_tiff(channels, top):
    samples = noise(channels, top)
    icc = GREY if channels == 1 else SRGB
    extra = [(315, 2, len(ARTIST), ARTIST, True), (700, 1, len(XMP), XMP, True), (34675, 7, len(icc), icc, True)]
    file = BytesIO()
    options = {"photometric": "rgb"} if channels > 2 else {}
    if channels == 4:
        options["extrasamples"] = ["unassalpha"]
    tifffile.imwrite(file, samples.squeeze(), resolution=(300, 150), byteorder=">", extratags=extra, **options)
    return file.getvalue(), samples


ALL = {"exif": b"Exif\0\0" + EXIF, "xmp": XMP, "icc_profile": SRGB}
SOURCES = {
    "PNG grey 1 bit": lambda: of_png(1, 0, 1),
    "PNG grey 4 bit": lambda: of_png(4, 0, 1),
    "PNG grey 8 bit": lambda: of_png(8, 0, 1),
    "PNG grey 16 bit": lambda: of_png(16, 0, 1),
    "PNG RGB 8 bit": lambda: of_png(8, 2, 3),
    "PNG RGB 16 bit": lambda: of_png(16, 2, 3),
    "PNG palette": lambda: of_png(2, 3, 1),
    "PNG grey alpha 8 bit": lambda: of_png(8, 4, 2),
    "PNG RGB alpha 8 bit": lambda: of_png(8, 6, 4),
    "PNG RGB alpha 16 bit": lambda: of_png(16, 6, 4),
    "JPEG grey": lambda: of_pillow("JPEG", 1, **{**ALL, "icc_profile": GREY}, comment=ARTIST, dpi=(300, 150)),
    "JPEG RGB": lambda: of_pillow("JPEG", 3, **ALL, comment=ARTIST, dpi=(300, 150)),
    "WEBP RGB": lambda: of_pillow("WEBP", 3, **ALL),
    "WEBP RGB alpha": lambda: of_pillow("WEBP", 4, **ALL),
    "TIFF grey 8 bit": lambda: of_tiff(1, 255),
    "TIFF grey 16 bit": lambda: of_tiff(1, 65535),
    "TIFF RGB 8 bit": lambda: of_tiff(3, 255),
    "TIFF RGB 16 bit": lambda: of_tiff(3, 65535),
    "TIFF RGB alpha 8 bit": lambda: of_tiff(4, 255),
    "TIFF RGB alpha 16 bit": lambda: of_tiff(4, 65535),
    "AVIF RGB": lambda: of_pillow("AVIF", 3, **ALL),
    "BMP RGB": lambda: of_pillow("BMP", 3, dpi=(300, 150)),
    "GIF": lambda: of_pillow("GIF", 3, mode="P", comment=ARTIST),
}
HELD = {  # kinds of metadata of each format
    "PNG": {"EXIF", "profile", "XMP", "resolution", "text", "gAMA", "cHRM", "cICP", "prVt"},
    "JPEG": {"EXIF", "profile", "XMP", "resolution", "comment"},
    "WEBP": {"EXIF", "profile", "XMP"},
    "TIFF": {"EXIF", "profile", "XMP", "resolution"},
    "AVIF": {"EXIF", "profile", "XMP"},
    "BMP": {"resolution"},
    "GIF": {"comment"},
}


def decoded(data, form):
    """``(H, W, C)`` of a file by Pillow, OpenCV or tifffile."""
    if form == "TIFF":
        return tifffile.imread(BytesIO(data)).reshape(12, 10, -1)
    if data[24] == 16 and form == "PNG":
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        return image[:, :, None] if image.ndim == 2 else image[:, :, [2, 1, 0, 3][: image.shape[2]]]
    return np.asarray(Image.open(BytesIO(data))).reshape(12, 10, -1)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "BMP"])
@pytest.mark.parametrize("source", SOURCES)
def test_every_format_into_every_other(tmp_path, source, form):
    """Pixels are the same samples; each kind of metadata is kept byte for byte, or named among what is dropped."""
    data, samples = SOURCES[source]()
    path = tmp_path / "a"
    path.write_bytes(data)
    of = source.split()[0]
    channels, is_deep = samples.shape[2], samples.dtype == np.uint16
    if (is_deep and form not in ("PNG", "TIFF")) or (channels in (2, 4) and form in ("JPEG", "BMP")):
        with pytest.raises(BadImage, match=f"(16 bit|alpha).*{form}"):
            enlarged(path, form)
        return
    result, dropped = enlarged(path, form)

    expected = samples.repeat(2, 0).repeat(2, 1)
    if form in ("JPEG", "WEBP", "AVIF"):
        rgb = (
            expected[:, :, [0, 0, 0, *([1] if channels == 2 else [])]] if channels < 3 and form != "JPEG" else expected
        )
        options = {"subsampling": {"JPEG": 0, "AVIF": "4:4:4"}[form]} if form != "WEBP" else {}
        image = Image.fromarray(rgb[:, :, 0] if rgb.shape[2] == 1 else rgb)
        expected = np.asarray(Image.open(BytesIO(saved(image, form, quality=95, **options))))
        expected = expected.reshape(12, 10, -1)
    assert np.array_equal(decoded(result, form), expected)

    parts, names = found_in(result, form)
    kept = HELD[of] & HELD[form] | ({"comment"} & HELD[of] if form == "PNG" else set())
    if channels < 3 and form in ("WEBP", "AVIF"):
        kept -= {"profile"}
        assert not parts["profile"]
    lost = HELD[of] - kept
    assert all(any(kind in line for line in dropped) for kind in lost), (lost, dropped)
    assert len(dropped) == len(lost), dropped
    if "EXIF" in kept and "TIFF" in (of, form):
        assert tags(parts["EXIF"].removeprefix(b"Exif\0\0"))[1][315].startswith(ARTIST)
        assert form != "TIFF" or of == "TIFF" or result[8 : len(EXIF)] == EXIF[8:]
    elif "EXIF" in kept:
        assert parts["EXIF"].removeprefix(b"Exif\0\0") == EXIF
    if "profile" in kept:
        assert parts["profile"] == (GREY if channels < 3 else SRGB)
    if "XMP" in kept:
        assert parts["XMP"] == XMP
    if "resolution" in kept:
        expected = {"PNG": PHYS[1], "JPEG": struct.pack(">HHBB", 300, 150, 0, 0)}.get(form, (300, 150))
        near = {"BMP": 0.02, "TIFF": 0.02}.get(form)
        assert parts["resolution"] == (pytest.approx(expected, abs=near) if near else expected)
    if form == "JPEG" and "comment" in kept:
        assert parts["comment"] == ARTIST
    if form == "PNG" and "comment" in kept:
        assert names[b"tEXt"] == [b"Comment\0" + ARTIST]
    if form == of == "PNG":
        assert all(content in names[kind] for kind, content in [*COLOURS, *TEXTS, PHYS, (b"prVt", b"private")])
