"""What becomes of metadata and pixels between all formats, and of broken metadata; compared byte for byte.

Files are written by Pillow, tifffile and by hand, and the results read by those, never by the code under test. The
network is replaced by nearest-neighbour enlargement.
"""

import struct
import zlib
from dataclasses import replace
from io import BytesIO

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from ssiu_arch.inference.formats import NOT_TURNED, check_format, encode
from ssiu_arch.inference.photo import read_photo
from ssiu_arch.utils.image_files import BadImage

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY = SRGB[:16] + b"GRAY" + SRGB[20:]
CMYK = SRGB[:16] + b"CMYK" + SRGB[20:]
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>\xc3\xa9</x:xmpmeta>"
ARTIST = "José Núñez © 2024".encode()
TEXTS = [
    (b"tEXt", b"Title\0caf\xe9"),
    (b"zTXt", b"Log\0\0" + zlib.compress(b"line\n" * 99)),
    (b"iTXt", b"Comment\0\0\0es\0Nota\0" + ARTIST),
]
COLOURS = [(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *range(8))), (b"cICP", b"\1\x0d\0\1")]
PHYS = (b"pHYs", struct.pack(">IIB", 11811, 5906, 1))  # 300 x 150 dpi


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


def noise(channels, top=255):
    dtype = np.uint16 if top > 255 else np.uint8
    return np.random.default_rng(channels).integers(0, top + 1, (6, 5, channels)).astype(dtype)


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


def enlarged(path, form, scale=2):
    """The file and the names of what is not kept, as ``ssiu upscale`` makes them, by nearest neighbours."""
    photo = read_photo(path)
    if form != photo.format or form in NOT_TURNED:
        photo = photo.upright()
    check_format(photo, form, scale, path)

    def more(samples):
        return None if samples is None else samples.repeat(scale, 0).repeat(scale, 1)

    return encode(replace(photo, colour=more(photo.colour), alpha=more(photo.alpha)), form, 95)


def decoded(data, form):
    """``(H, W, C)`` of a file by Pillow, OpenCV or tifffile."""
    if form == "TIFF":
        return tifffile.imread(BytesIO(data)).reshape(12, 10, -1)
    if data[24] == 16 and form == "PNG":
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        return image[:, :, None] if image.ndim == 2 else image[:, :, [2, 1, 0, 3][: image.shape[2]]]
    return np.asarray(Image.open(BytesIO(data))).reshape(12, 10, -1)


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


# What must change, and what is broken


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_only_what_must_change_does(tmp_path, form, order):
    """Orientation and sizes in place, thumbnail unlinked; of a JPEG, so that all but the JPEG is turned."""
    sizes = [(40962, 4, 1, 5), (40963, 3, 1, 6)]
    exif = bytearray(exif_of(order, [(274, 3, 1, 6)], sizes))
    end = 8 + 2 + 3 * 12
    struct.pack_into(order + "I", exif, end, 8)  # a thumbnail's directory
    (tmp_path / "a").write_bytes(saved(Image.fromarray(noise(3)), "JPEG", exif=b"Exif\0\0" + exif))
    result, dropped = enlarged(tmp_path / "a", form)
    assert dropped == []
    height, width = (12, 10) if form == "JPEG" else (10, 12)
    turn = (274, 3, 1, 6 if form == "JPEG" else 1)
    wanted = exif_of(order, [turn], [(40962, 4, 1, width), (40963, 3, 1, height)])
    if form == "TIFF":
        assert result[8 : len(wanted)] == wanted[8:]
        assert tags(result)[1][274] == struct.pack(order + "H", 1)
    else:
        assert found_in(result, form)[0]["EXIF"].removeprefix(b"Exif\0\0") == wanted
    assert Image.open(BytesIO(result)).size == (width, height)


def test_orientation_of_xmp_alone(tmp_path):
    xmp = b"<rdf:Description tiff:Orientation='6' exif:PixelXDimension='5'/>"
    (tmp_path / "a").write_bytes(saved(Image.fromarray(noise(3)), "JPEG", xmp=xmp))
    result, _ = enlarged(tmp_path / "a", "PNG")
    assert Image.open(BytesIO(result)).size == (12, 10)
    assert found_in(result, "PNG")[0]["XMP"] == xmp.replace(b"'6'", b"'1'").replace(b"'5'", b"'12'")


RGB = Image.fromarray(noise(3))
BOMB = zlib.compress(bytes(10**7))
BROKEN = {  # files, and what they lose as PNG
    "zTXt bomb": (with_chunks(saved(RGB, "PNG"), chunk(b"zTXt", b"k\0\0" + BOMB)), "zTXt"),
    "iTXt bomb": (with_chunks(saved(RGB, "PNG"), chunk(b"iTXt", b"k\0\1\0\0\0" + BOMB)), "iTXt"),
    "bomb at the end": (saved(RGB, "PNG")[:-12] + chunk(b"zTXt", b"k\0\0" + BOMB) + saved(RGB, "PNG")[-12:], "zTXt"),
    "zTXt of another compression": (with_chunks(saved(RGB, "PNG"), chunk(b"zTXt", b"k\0\1" + BOMB[:9])), "zTXt"),
    "profile above 1 MiB": (
        with_chunks(saved(RGB, "PNG"), chunk(b"iCCP", b"k\0\0" + zlib.compress(SRGB + bytes(2**21)))),
        "profile above 1 MiB",
    ),
    "damaged profile": (with_chunks(saved(RGB, "PNG"), chunk(b"iCCP", b"k\0\0xx")), "iCCP"),
    "profile without a name": (with_chunks(saved(RGB, "PNG"), chunk(b"iCCP", b"")), "iCCP"),
    "no EXIF": (with_chunks(saved(RGB, "PNG"), chunk(b"eXIf", b"no EXIF at all")), "EXIF"),
    "EXIF out of its bounds": (with_chunks(saved(RGB, "PNG"), chunk(b"eXIf", b"II*\0\xff\xff\xff\x7f")), "EXIF"),
    "short gamma": (with_chunks(saved(RGB, "PNG"), chunk(b"gAMA", b"\0\0")), "gAMA"),
    "wrong checksum of text": (with_chunks(saved(RGB, "PNG"), chunk(b"tEXt", b"a\0b", wrong=1)), "tEXt"),
    "wrong checksum of EXIF": (with_chunks(saved(RGB, "PNG"), chunk(b"eXIf", EXIF, wrong=1)), "eXIf"),
    "truncated XMP": (with_chunks(saved(RGB, "PNG"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0")), "iTXt"),
    "JPEG with EXIF cut off": (saved(RGB, "JPEG", exif=b"Exif\0\0" + EXIF[:20]), "EXIF"),
    "JPEG with half a profile": (
        saved(RGB, "JPEG", icc_profile=SRGB).replace(b"ICC_PROFILE\0\1\1", b"ICC_PROFILE\0\1\2"),
        "profile",
    ),
    "WebP with damaged EXIF": (saved(RGB, "WEBP", lossless=True, exif=b"garbage"), "EXIF"),
    "CMYK profile": (saved(RGB, "PNG", icc_profile=CMYK), "CMYK profile"),
    "grey profile": (saved(RGB, "PNG", icc_profile=GREY), "GRAY profile"),
    "further images of a camera": (saved(RGB, "MPO", save_all=True, append_images=[RGB]), "further images"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_metadata_costs_no_pixel(tmp_path, kind):
    data, lost = BROKEN[kind]
    (tmp_path / "a").write_bytes(data)
    result, dropped = enlarged(tmp_path / "a", "PNG")
    assert len(dropped) == 1
    assert lost in dropped[0]
    seen = Image.open(BytesIO(result))
    assert not {b"eXIf", b"iCCP", b"zTXt", b"iTXt", b"gAMA"} & {found for found, _ in chunks(result)}
    if "JPEG" not in kind and "camera" not in kind:
        assert np.array_equal(np.asarray(seen), noise(3).repeat(2, 0).repeat(2, 1))


def test_what_is_too_large_for_a_jpeg(tmp_path):
    exif = exif_of(exposure=[(37510, 7, 4, 0)]) + bytes(70_000)
    data = with_chunks(saved(RGB, "PNG"), chunk(b"eXIf", exif), chunk(b"iCCP", b"k\0\0" + zlib.compress(SRGB * 300)))
    (tmp_path / "a").write_bytes(data)
    result, dropped = enlarged(tmp_path / "a", "JPEG")
    assert dropped == ["EXIF above 64 KiB"]
    assert Image.open(BytesIO(result)).info["icc_profile"] == SRGB * 300


@pytest.mark.parametrize("form", ["JPEG", "BMP"])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_opaque_alpha_is_dropped_where_there_is_none(tmp_path, form, mode):
    image = RGB.convert("L" if mode == "LA" else "RGB")
    expected = image.copy()
    image.putalpha(255)
    (tmp_path / "a").write_bytes(saved(image, "PNG"))
    result, _ = enlarged(tmp_path / "a", form)
    seen = Image.open(BytesIO(result))
    assert seen.mode == expected.mode
    image.putpixel((0, 0), (9,) * (len(mode) - 1) + (254,))
    (tmp_path / "a").write_bytes(saved(image, "PNG"))
    with pytest.raises(BadImage, match=f"alpha.*{form}"):
        enlarged(tmp_path / "a", form)


def test_300_damaged_files_end_in_an_image_or_one_line(tmp_path, capfd):
    """Cut off, overwritten, or with bytes exchanged; where metadata are, and where pixels are."""
    random, path = np.random.default_rng(15), tmp_path / "a"
    sources = [make()[0] for make in SOURCES.values()]
    lines = []
    for n in range(300):
        data = bytearray(sources[n % len(sources)])
        reach = (60, 400, len(data))[n % 3]
        for at in random.integers(0, min(reach, len(data)), 1 + n % 5):
            data[at] = random.integers(0, 256)
        if n % 7 == 0:
            del data[random.integers(1, len(data)) :]
        path.write_bytes(data)
        try:
            result, _ = enlarged(path, ("PNG", "TIFF")[n % 2])
        except BadImage as error:
            lines.append(str(error))
        else:
            Image.open(BytesIO(result)).load()
    assert 10 < len(lines) < 240
    assert not [line for line in lines if "\n" in line]
    assert capfd.readouterr().err == ""
