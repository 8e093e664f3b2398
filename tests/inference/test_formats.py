"""Writing: what is read again, by this package and by others, and what the formats keep."""

from io import BytesIO

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from ssiu_arch.inference import formats
from ssiu_arch.inference.formats import check_format, encode
from ssiu_arch.inference.metadata import Metadata
from ssiu_arch.inference.photo import Photo, read_photo
from ssiu_arch.utils.image_files import BadImage

ICC = b"\0\1profile" * 500


def photo_of(samples, **metadata):
    return Photo(samples, Metadata(**metadata), "PNG")


def by_opencv(data):
    """RGB[A] or grey as OpenCV decodes it."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return image[:, :, None] if image.ndim == 2 else image[:, :, [2, 1, 0, 3][: image.shape[2]]]


LOSSLESS = [
    *[("PNG", dtype, channels) for dtype in (np.uint8, np.uint16) for channels in (1, 2, 3, 4)],
    *[("TIFF", dtype, channels) for dtype in (np.uint8, np.uint16) for channels in (1, 2, 3, 4)],
    ("BMP", np.uint8, 1),
    ("BMP", np.uint8, 3),
]


@pytest.mark.parametrize("size", [(1, 1), (300, 7), (7, 3000)], ids=["pixel", "high", "wide"])
@pytest.mark.parametrize(("form", "dtype", "channels"), LOSSLESS)
def test_samples_come_back(tmp_path, noise, form, dtype, channels, size):
    """As they were, from ourselves, from Pillow, OpenCV and tifffile; 16-bit grey with alpha becomes RGBA."""
    image = noise(*size, channels, dtype)
    data = encode(photo_of(image), form, 95)[0]
    (tmp_path / "a").write_bytes(data)
    if (dtype, channels) == (np.uint16, 2):
        image = image[:, :, [0, 0, 0, 1]]
    photo = read_photo(tmp_path / "a")
    assert photo.format == form
    assert photo.samples.dtype == dtype
    assert np.array_equal(photo.samples, image)
    seen = by_opencv(data)
    if not (form == "TIFF" and dtype == np.uint8 and image.shape[2] in (2, 4)):  # OpenCV multiplies by that alpha
        assert np.array_equal(seen, image[:, :, [0, 0, 0, 1]] if image.shape[2] == 2 else image)
    if dtype == np.uint8 or image.shape[2] == 1:
        assert np.array_equal(np.asarray(Image.open(BytesIO(data))).reshape(image.shape), image)
    if form == "TIFF":
        with tifffile.TiffFile(BytesIO(data)) as tiff:
            assert len(tiff.pages) == 1
            assert tiff.pages[0].samplesperpixel == image.shape[2]
            extra = tiff.pages[0].tags.get(338)
            assert (extra.value if extra else None) == ((2,) if image.shape[2] in (2, 4) else None)


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_lossy_formats_come_near_and_follow_the_quality(tmp_path, form):
    ramp = np.linspace(0, 255, 60).astype(np.uint8)
    image = np.stack([np.broadcast_to(ramp, (60, 60)), np.broadcast_to(ramp, (60, 60)).T, np.full((60, 60), 128)], 2)
    photo = photo_of(image.astype(np.uint8))
    fine, coarse = (encode(photo, form, quality)[0] for quality in (95, 30))
    assert len(coarse) < len(fine)
    (tmp_path / "a").write_bytes(fine)
    assert np.abs(read_photo(tmp_path / "a").samples.astype(int) - image).mean() < 3


def test_alpha_of_webp_is_exact(tmp_path, noise):
    image = noise(20, 20, 4)
    (tmp_path / "a").write_bytes(encode(photo_of(image), "WEBP", 95)[0])
    assert np.array_equal(read_photo(tmp_path / "a").samples[:, :, 3:], image[:, :, 3:])


def test_jpegs_colours_are_not_subsampled(noise):
    with Image.open(BytesIO(encode(photo_of(noise(16, 16)), "JPEG", 90)[0])) as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


@pytest.mark.parametrize(
    ("channels", "dtype", "form", "line"),
    [
        (4, np.uint8, "JPEG", "^x.png: .*alpha.*JPEG.*--format png"),
        (2, np.uint8, "BMP", "alpha.*BMP"),
        (3, np.uint16, "JPEG", "16 bit.*JPEG"),
        (1, np.uint16, "WEBP", "16 bit.*WEBP"),
        (3, np.uint16, "BMP", "16 bit.*BMP"),
        (3, np.uint8, "JPEG", "80 pixels .*JPEG .*79"),
        (3, np.uint8, "WEBP", "80 pixels .*WEBP .*79"),
    ],
)
def test_what_a_format_does_not_hold(monkeypatch, noise, channels, dtype, form, line):
    monkeypatch.setattr(formats, "LARGEST", {"JPEG": 79, "WEBP": 79})
    with pytest.raises(BadImage, match=line):
        check_format(photo_of(noise(3, 20, channels, dtype)), form, 4, "x.png")


@pytest.mark.parametrize("form", formats.LARGEST)
def test_the_longest_side_that_each_format_writes(form):
    longest = formats.LARGEST[form]
    photo = photo_of(np.zeros((1, longest, 3), np.uint8))
    check_format(photo, form, 1, "a")
    encode(photo, form, 50)
    with pytest.raises(BadImage):
        encode(photo_of(np.zeros((1, longest + 1, 3), np.uint8)), form, 50)
