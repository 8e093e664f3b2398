"""Reading: every kind of file as it is stored, and whatever cannot be used in one line."""

import os
import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from ssiu_arch.inference.metadata import Metadata
from ssiu_arch.inference.photo import Photo, from_pillow, photo_size, read_photo
from ssiu_arch.utils.image_files import BadImage


def png(bits, colour_type, row, *chunks, width):
    """A PNG file of one row."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, 1, bits, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("options", "channels"),
    [
        ({}, 1),
        ({"photometric": "rgb"}, 3),
        ({"photometric": "rgb", "byteorder": ">"}, 3),
        ({"photometric": "rgb", "bigtiff": True}, 3),
        ({"photometric": "rgb", "tile": (16, 16)}, 3),
        ({"photometric": "rgb", "compression": "zlib", "predictor": True}, 3),
        ({"photometric": "rgb", "extrasamples": ["unassalpha"]}, 4),
    ],
    ids=["grey", "RGB", "big-endian", "BigTIFF", "tiles", "deflated", "alpha"],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8", "16"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_tiff(tmp_path, noise, dtype, options, channels, orientation):
    image = noise(20, 30, channels, dtype)
    tag = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", image.squeeze(), extratags=tag, **options)
    photo = read_photo(tmp_path / "a.tif")
    assert photo.samples.dtype == dtype
    assert np.array_equal(photo.samples, image)
    assert np.array_equal(photo.upright().samples, image if orientation == 1 else np.rot90(image, -1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8", "16"])
class TestWhatTheSamplesOfATiffMean:
    def test_white_is_zero(self, tmp_path, noise, dtype):
        image = noise(5, 7, 1, dtype)
        tifffile.imwrite(tmp_path / "a.tif", image.squeeze(), photometric="miniswhite")
        assert np.array_equal(read_photo(tmp_path / "a.tif").samples, np.iinfo(dtype).max - image)

    def test_colours_that_alpha_is_multiplied_into(self, tmp_path, dtype):
        top = np.iinfo(dtype).max
        image = np.array([[[top // 5, 0, 0, top // 5], [top // 5, 10, 0, top], [0, 0, 0, 0]]], dtype)
        tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["assocalpha"])
        photo = read_photo(tmp_path / "a.tif")
        assert photo.samples[0].tolist() == [[top, 0, 0, top // 5], [top // 5, 10, 0, top], [0, 0, 0, 0]]

    def test_a_fourth_channel_of_no_meaning(self, tmp_path, noise, dtype):
        image = noise(5, 7, 4, dtype)
        tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["unspecified"])
        photo = read_photo(tmp_path / "a.tif")
        assert np.array_equal(photo.samples, image[:, :, :3])
        assert photo.meta.dropped == ["a channel that is not alpha"]

    def test_a_fourth_channel_without_a_word_is_alpha(self, tmp_path, noise, dtype):
        image = noise(5, 7, 4, dtype)
        cv2.imwrite(str(tmp_path / "a.tif"), image[:, :, [2, 1, 0, 3]])  # OpenCV writes no tag for it
        assert np.array_equal(read_photo(tmp_path / "a.tif").samples, image)


def test_a_tiff_in_planes(tmp_path, noise):
    """OpenCV takes planes of 16 bit for interleaved channels and says nothing."""
    planes = noise(3, 20, 30, np.uint16)
    for name, image in (("16.tif", planes), ("8.tif", planes.astype(np.uint8))):
        tifffile.imwrite(tmp_path / name, image, photometric="rgb", planarconfig="separate")
    assert np.array_equal(read_photo(tmp_path / "8.tif").samples, planes.astype(np.uint8).transpose(1, 2, 0))
    with pytest.raises(BadImage, match="16 bit in separate planes"):
        read_photo(tmp_path / "16.tif")


def test_what_programs_say_of_the_array_is_not_kept(tmp_path, noise):
    scale = [(33550, "d", 3, (1.0, 1.0, 0.0), True)]  # GeoTIFF's size of a pixel
    tifffile.imwrite(tmp_path / "a.tif", noise(5, 7), photometric="rgb", extratags=scale, resolution=(300, 300))
    meta = read_photo(tmp_path / "a.tif").meta
    exif = Image.Exif()
    exif.load(meta.exif)
    assert not {270, 33550, *range(254, 260)} & set(exif)
    assert exif[282] == 300
    assert meta.dropped == ["GeoTIFF's tags"]


@pytest.mark.parametrize(("mode", "channels"), [("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_16_bit_png(tmp_path, noise, mode, channels):
    if mode == "LA":
        row = struct.pack(">4H", 1, 2, 3, 65535)
        (tmp_path / "a.png").write_bytes(png(16, 4, row, width=2))
        image = np.array([[[1, 2], [3, 65535]]], np.uint16)
    else:
        image = noise(5, 7, channels, np.uint16)
        cv2.imwrite(str(tmp_path / "a.png"), image[:, :, [2, 1, 0, 3][:channels]])
    photo = read_photo(tmp_path / "a.png")
    assert photo.format == "PNG"
    assert photo.samples.dtype == np.uint16
    assert np.array_equal(photo.samples, image)


ROWS = {
    "1 bit": (png(1, 0, b"\x0f", width=8), [[0]] * 4 + [[255]] * 4),
    "1 bit, one value transparent": (
        png(1, 0, b"\x50", (b"tRNS", b"\0\0"), width=4),
        [[0, 0], [255, 255], [0, 0], [255, 255]],
    ),
    "4 bit": (png(4, 0, b"\x0f\x50", width=3), [[0], [255], [85]]),
    "4 bit, one value transparent": (
        png(4, 0, b"\x0f\x50", (b"tRNS", b"\0\5"), width=3),
        [[0, 255], [255, 255], [85, 0]],
    ),
    "grey, one value transparent": (png(8, 0, b"\x09\x08", (b"tRNS", b"\0\x08"), width=2), [[9, 255], [8, 0]]),
    "RGB, one colour transparent": (
        png(8, 2, b"\1\2\3\1\2\4", (b"tRNS", b"\0\1\0\2\0\3"), width=2),
        [[1, 2, 3, 0], [1, 2, 4, 255]],
    ),
    "16 bit, one colour transparent": (
        png(16, 2, struct.pack(">6H", 1, 2, 3, 1, 2, 4), (b"tRNS", b"\0\1\0\2\0\3"), width=2),
        [[1, 2, 3, 0], [1, 2, 4, 65535]],
    ),
    "16-bit grey, one value transparent": (
        png(16, 0, b"\0\1\0\2", (b"tRNS", b"\0\1"), width=2),
        [[1, 0], [2, 65535]],
    ),
    "palette": (png(8, 3, b"\1\0", (b"PLTE", b"\1\2\3\4\5\6"), width=2), [[4, 5, 6], [1, 2, 3]]),
    "palette with alpha": (
        png(8, 3, b"\1\0", (b"PLTE", b"\1\2\3\4\5\6"), (b"tRNS", b"\x64"), width=2),
        [[4, 5, 6, 255], [1, 2, 3, 100]],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "row"), ROWS.values(), ids=ROWS)
def test_pngs_of_every_kind(tmp_path, data, row):
    (tmp_path / "a.png").write_bytes(data)
    assert read_photo(tmp_path / "a.png").samples.tolist() == [row]


def test_a_cameras_jpeg_with_previews(tmp_path, noise):
    """Multi-picture format: Pillow's name of it is MPO."""
    first, second = (Image.fromarray(noise(16, side)) for side in (24, 8))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    with Image.open(tmp_path / "a.jpg") as image:
        assert (image.format, image.n_frames) == ("MPO", 2)
        expected = np.asarray(image)
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.format == "JPEG"
    assert np.array_equal(photo.samples, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_is_what_a_viewer_shows(noise, orientation):
    image = Image.fromarray(noise(3, 5, 4))
    image.getexif()[274] = orientation
    photo = from_pillow(image).upright()
    assert np.array_equal(photo.samples, np.asarray(ImageOps.exif_transpose(image)))
    assert photo.meta.orientation == 1


@pytest.mark.parametrize("orientation", [0, 9, "top"])
def test_no_orientation_turns_nothing(noise, orientation):
    exif = Image.Exif()
    exif[274 if orientation != "top" else 270] = orientation
    photo = Photo(noise(3, 5), Metadata(exif.tobytes().removeprefix(b"Exif\0\0")), "PNG")
    assert photo.upright() is photo


@pytest.mark.parametrize("mode", ["PA", "La", "RGBa", "P"])
def test_alpha_of_pillows_rarer_modes(noise, mode):
    image = Image.new("RGBA", (2, 1), (200, 100, 50, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    if mode == "P":
        given = image.quantize()  # whose palette has alpha
    elif mode == "PA":
        given = Image.frombytes("PA", (2, 1), b"\0\0\1\xff")
    else:
        given = image.convert("LA" if mode == "La" else "RGBA").convert(mode)
    assert given.mode == mode
    assert from_pillow(given).samples[0, :, -1].tolist() == [0, 255]


def test_more_pixels_than_pillow_opens(tmp_path, monkeypatch):
    Image.new("1", (90, 50)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert photo_size(tmp_path / "a.png") == (50, 90)
    assert read_photo(tmp_path / "a.png").size == (50, 90)
    assert Image.MAX_IMAGE_PIXELS == 1000


# What cannot be used


def written(image, form, **options):
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def tiff(image, **options):
    file = BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


RGB = Image.new("RGB", (9, 5), (1, 2, 3))
TWO = {"save_all": True, "append_images": [Image.new("RGB", (9, 5), "white")], "duration": 9}
BAD = {
    "nothing": (b"", r"is empty \(0 bytes\)"),
    "text": (b"hello", r"is damaged.*\(5 bytes\)"),
    "a GIF of frames": (written(RGB, "GIF", **TWO), "2 frames"),
    "an AVIF without places": (written(RGB, "AVIF").replace(b"iloc", b"free"), "is damaged"),
    "a PPM": (written(RGB, "PPM"), "PPM; convert it to PNG"),
    "an animated WebP": (written(RGB, "WEBP", **TWO), "2 frames; export"),
    "an animated PNG": (written(RGB, "PNG", **TWO), "2 frames"),
    "a TIFF of pages": (written(RGB, "TIFF", **TWO), "2 frames"),
    "a CMYK TIFF of 16 bit": (
        tiff(np.zeros((5, 9, 4), np.uint16), photometric="separated"),
        "CMYK",
    ),
    "a Lab TIFF": (written(RGB.convert("LAB"), "TIFF"), "mode LAB"),
    "a float TIFF": (tiff(np.zeros((5, 9), np.float32)), "float samples, not read.*8 or 16 bit"),
    "a TIFF of 32 bit": (tiff(np.zeros((5, 9), np.uint32)), "32-bit samples, not read.*8 or 16 bit"),
    "a signed TIFF": (tiff(np.zeros((5, 9), np.int16)), "signed samples"),
    "a PNG with a wrong checksum": (written(RGB, "PNG")[:-20] + b"x" + written(RGB, "PNG")[-19:], "wrong checksum"),
}


@pytest.mark.parametrize(("data", "line"), BAD.values(), ids=BAD)
def test_files_that_are_refused(tmp_path, data, line):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(BadImage, match=f"a.png: .*({line})"):
        read_photo(tmp_path / "a.png")


def test_names_that_are_no_files(tmp_path):
    (tmp_path / "a.png").mkdir()
    (tmp_path / "b.png").symlink_to("nowhere")
    for name, line in (("a.png", "is a folder"), ("b.png", r"cannot be read \(No such file")):
        with pytest.raises(BadImage, match=rf"{name}: {line}"):
            read_photo(tmp_path / name)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_must_not_be_read(tmp_path):
    (tmp_path / "a.png").write_bytes(written(RGB, "PNG"))
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(BadImage, match=r"cannot be read \(Permission denied"):
        read_photo(tmp_path / "a.png")


def kinds():
    image = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)
    eight = Image.fromarray((image >> 8).astype(np.uint8))
    exif = Image.Exif()
    exif[271], exif[34853] = "Maker", {1: "N", 2: (51.0, 28.0, 38.5)}
    for form in ("PNG", "JPEG", "WEBP", "TIFF", "BMP"):
        yield (
            form,
            written(eight, form, **({} if form == "BMP" else {"exif": exif.tobytes(), "icc_profile": b"icc" * 50})),
        )
    yield "LZW", written(eight, "TIFF", compression="tiff_lzw")
    yield "16-bit TIFF", tiff(image, photometric="rgb")
    yield "16-bit deflated TIFF", tiff(image, photometric="rgb", compression="zlib", predictor=True)
    yield "16-bit PNG", cv2.imencode(".png", image)[1].tobytes()


KINDS = dict(kinds())


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_one_line_or_an_image(tmp_path, capfd, kind):
    """Whatever is cut off is noticed; changed bytes are, or make an image; nothing else is said."""
    data, path = KINDS[kind], tmp_path / "a"
    for part in (0.02, 0.3, 0.6, 0.95):
        path.write_bytes(data[: int(part * len(data))])
        with pytest.raises(BadImage, match=r"\A[^\n]+\Z"):
            read_photo(path)
    random, said = np.random.default_rng(1), []
    for n in range(24):
        damaged = bytearray(data)
        for at in random.integers(0, (200, len(data))[n % 2], 1 + n % 4):
            damaged[at] = random.integers(0, 256)
        path.write_bytes(damaged)
        try:
            read_photo(path)
        except BadImage as error:
            said.append(str(error))
    assert not [line for line in said if "\n" in line]
    assert capfd.readouterr().err == "" or kind == "LZW"  # of which Pillow's libtiff speaks itself
