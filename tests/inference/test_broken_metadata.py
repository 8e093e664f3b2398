"""What of metadata must change, and what is broken or too large: it costs no pixel, and at most one line."""

import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from ssiu_arch.inference.photo import from_pillow, photo_size, read_photo
from ssiu_arch.utils import extras
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.image_files import BadImage
from tests.inference.by_hand import (
    CMYK,
    EXIF,
    GREY,
    SRGB,
    chunk,
    chunks,
    enlarged,
    exif_of,
    found_in,
    noise,
    saved,
    tags,
    with_chunks,
)


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
    "AVIF with damaged EXIF": (saved(RGB, "AVIF", exif=EXIF).replace(EXIF[:8], b"garbage!"), "EXIF"),
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
    if not any(lossy in kind for lossy in ("JPEG", "AVIF", "camera")):
        assert np.array_equal(np.asarray(seen), noise(3).repeat(2, 0).repeat(2, 1))


def test_what_is_too_large_for_a_jpeg(tmp_path):
    exif = exif_of(exposure=[(37510, 7, 4, 0)]) + bytes(70_000)
    data = with_chunks(saved(RGB, "PNG"), chunk(b"eXIf", exif), chunk(b"iCCP", b"k\0\0" + zlib.compress(SRGB * 300)))
    (tmp_path / "a").write_bytes(data)
    result, dropped = enlarged(tmp_path / "a", "JPEG")
    assert dropped == ["EXIF above 64 KiB"]
    assert Image.open(BytesIO(result)).info["icc_profile"] == SRGB * 300


def test_a_pillow_image_with_broken_metadata():
    """The Python API: chunks behind the pixels, which Pillow reads last, and EXIF that it cannot parse."""
    late = saved(RGB, "PNG")[:-12] + chunk(b"zTXt", b"k\0\0" + BOMB) + saved(RGB, "PNG")[-12:]
    for data in (late, with_chunks(saved(RGB, "PNG"), chunk(b"eXIf", b"no EXIF at all"))):
        photo = from_pillow(Image.open(BytesIO(data))).upright()
        assert np.array_equal(photo.samples, noise(3))


@pytest.mark.parametrize("suffix", [".heic", ".jpg"])
def test_heic_of_any_name(tmp_path, monkeypatch, suffix):
    pytest.importorskip("pillow_heif", reason="pillow-heif, which reads HEIC, is not installed").register_heif_opener()
    path = tmp_path / f"a{suffix}"
    path.write_bytes(saved(RGB.resize((64, 48)), "HEIF", exif=b"Exif\0\0" + EXIF))
    assert photo_size(path) == (48, 64)
    result, _ = enlarged(path, "JPEG")
    assert found_in(result, "JPEG")[0]["EXIF"][: len(EXIF)] == EXIF
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"HEIC.*ssiu-arch\[heif\]"):
        read_photo(path)


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


KINDS = [
    saved(RGB, form, exif=b"Exif\0\0" + EXIF, icc_profile=SRGB) for form in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")
]
KINDS += [saved(RGB, "BMP"), saved(RGB, "GIF")]
KINDS += [cv2.imencode(ending, noise(4, 65535))[1].tobytes() for ending in (".png", ".tif")]


def test_300_damaged_files_end_in_an_image_or_one_line(tmp_path, capfd):
    """Cut off, overwritten, or with bytes exchanged; where metadata are, and where pixels are."""
    random, path = np.random.default_rng(15), tmp_path / "a"
    sources = [source for source, _ in BROKEN.values()] + KINDS
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
