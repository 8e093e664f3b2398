import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pictures

from ssiu_arch.data.images import BadImage, decode_image, encode_png, list_images, read_image, write_image
from ssiu_arch.utils.errors import UserError


def encode(extension, image, *parameters):
    return cv2.imencode(extension, image, list(parameters))[1].tobytes()


def with_exif_orientation(png, orientation):
    """``png`` with an eXIf chunk behind its header."""
    exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)
    chunk = struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))
    return png[:33] + chunk + png[33:]


def test_png_round_trip_is_exact(photo):
    image = photo(37, 53)
    np.testing.assert_array_equal(decode_image(encode_png(image), "x"), image)
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(encode_png(image), np.uint8), -1), image)


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tif", ".webp", ".jpg"])
def test_common_formats_are_read_as_opencv_reads_them(photo, extension):
    data = encode(extension, photo(40, 30))
    np.testing.assert_array_equal(decode_image(data, "x"), cv2.imdecode(np.frombuffer(data, np.uint8), 1))


def test_grey_becomes_three_equal_channels(photo):
    grey = photo(20, 30)[..., 0]
    np.testing.assert_array_equal(decode_image(encode(".png", grey), "x"), np.dstack([grey] * 3))


def test_opaque_alpha_is_dropped(photo):
    image = photo(20, 30)
    data = encode(".png", np.dstack([image, np.full((20, 30), 255, np.uint8)]))
    np.testing.assert_array_equal(decode_image(data, "x"), image)


@pytest.fixture
def transparent(photo):
    """An image (20, 30, 4) whose left third has an alpha of a fifth, and the image on white."""
    image, alpha = photo(20, 30), np.full((20, 30), 255, np.uint8)
    alpha[:, :10] = 51
    on_white = np.where(alpha[..., None] == 51, np.floor(image / 5 + 255 * 4 / 5 + 0.5), image)
    return np.dstack([image, alpha]), on_white


@pytest.mark.parametrize(
    ("extension", "parameters"), [(".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)), (".bmp", ()), (".png", ())]
)
def test_transparency_is_laid_on_white_in_every_format(transparent, extension, parameters):
    image, on_white = transparent
    np.testing.assert_array_equal(decode_image(encode(extension, image, *parameters), "x"), on_white)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_tiff_with_alpha_is_read_if_it_is_opaque(transparent, compression):
    image, files = transparent[0][..., [2, 1, 0, 3]], [io.BytesIO(), io.BytesIO()]
    for file, alpha in zip(files, (image[..., 3], 255), strict=True):
        image[..., 3] = alpha
        Pictures.fromarray(image).save(file, "TIFF", compression=compression)
    with pytest.raises(BadImage, match=r"^a.tif: is a transparent TIFF, .*PNG"):
        decode_image(files[0].getvalue(), "a.tif")
    np.testing.assert_array_equal(decode_image(files[1].getvalue(), "x"), image[..., 2::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_transparency_is_laid_on_white_whatever_the_orientation(photo, orientation):
    image = photo(20, 30)
    alpha = np.zeros((20, 30), np.uint8)
    alpha[:, :10] = 255
    alpha[:5, 10:] = 51  # a fifth
    plain = decode_image(with_exif_orientation(encode(".png", image), orientation), "x")
    blended = decode_image(with_exif_orientation(encode(".png", np.dstack([image, alpha])), orientation), "x")
    where = decode_image(with_exif_orientation(encode(".png", alpha), orientation), "x")[..., :1]
    expected = np.floor(plain * (where / 255) + 255 * (1 - where / 255) + 0.5)
    assert plain.shape == ((30, 20, 3) if orientation > 4 else (20, 30, 3))
    np.testing.assert_array_equal(blended, expected)


def test_16_bit_is_rounded_not_cut():
    values = np.array([[0, 128, 129, 255, 256, 65535, 65406, 65407]], np.uint16)
    assert decode_image(encode(".png", values), "x")[0, :, 0].tolist() == [0, 0, 1, 1, 1, 255, 254, 255]


def test_a_png_with_a_changed_byte_is_refused_with_the_place(photo):
    data = bytearray(encode_png(photo(40, 40)))
    data[len(data) // 2] ^= 1
    with pytest.raises(BadImage, match=r"^x\.png: is damaged \(wrong checksum of IDAT\)"):
        decode_image(bytes(data), "x.png")


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("share", [0.999, 0.5, 0.05])
def test_a_truncated_file_is_refused(photo, extension, share):
    data = encode(extension, photo(64, 64))
    with pytest.raises(BadImage, match=r"^a/b: is (truncated|damaged)"):
        decode_image(data[: int(len(data) * share)], "a/b")


def test_float_and_empty_files_are_refused():
    with pytest.raises(BadImage, match="samples of type float32"):
        decode_image(encode(".tiff", np.ones((4, 4, 3), np.float32)), "x")
    with pytest.raises(BadImage, match="0 bytes"):
        decode_image(b"", "x")


def test_reading_a_missing_file_names_it(tmp_path):
    with pytest.raises(BadImage, match=r"none\.png: cannot be read"):
        read_image(tmp_path / "none.png")


def test_images_are_listed_by_extension_in_order_without_hidden_ones(tmp_path, photo):
    for name in ("b.png", "A.JPG", ".hidden.png", "notes.txt", "sub/c.webp", ".git/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(tmp_path / name, photo(8, 8))
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "dead.png").symlink_to(tmp_path / "nowhere")
    assert [path.name for path in list_images(tmp_path)] == ["A.JPG", "b.png", "dead.png"]
    assert [path.name for path in list_images(tmp_path, recursive=True)] == ["A.JPG", "b.png", "dead.png", "c.webp"]
    with pytest.raises(UserError, match="no such folder"):
        list_images(tmp_path / "none")
