"""Bad images among good ones: each gives one line that names the file, and the good ones are not lost."""

import os
import re
import struct
import zlib

import cv2
import numpy as np
import pytest

from ssiu_arch.data.images import encode_png, write_image
from ssiu_arch.data.lmdb_sets import read_meta
from ssiu_arch.data.sub_images import Recipe
from ssiu_arch.data.training_sets import prepare_photos
from ssiu_arch.utils.errors import printable

RECIPE = Recipe((4,), 48, 48, 24)
PHOTO = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8), (0, 0), 1.5)


def encoded(extension):
    return cv2.imencode(extension, PHOTO)[1].tobytes()


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def png_with_header(width, height, depth=8, colour=2):
    """A small PNG file whose header, with a right checksum, says something else."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    png = encode_png(PHOTO)
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


BAD = {
    "zero-byte.png": (b"", "is empty"),
    "one-byte.png": (b"\x89", "is damaged, or no image"),
    "text.png": (b"hello", "is damaged, or no image"),
    "html.jpg": (b"<html><body>404 Not Found</body></html>", "is damaged, or no image"),
    "pdf.png": (b"%PDF-1.7\n%%EOF", "is damaged, or no image"),
    "zip.png": (b"PK\x05\x06" + bytes(18), "is damaged, or no image"),
    "zeros.png": (bytes(5000), "is damaged, or no image"),
    "git-lfs.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is damaged, or no image"),
    "truncated.png": (encoded(".png")[:2000], "is truncated after 2000 bytes"),
    "truncated-late.png": (encoded(".png")[:-4], "is truncated"),
    "signature-only.png": (encoded(".png")[:8], "is truncated after 8 bytes"),
    "header-only.png": (encoded(".png")[:33], "is truncated after 33 bytes"),
    "changed-byte.png": (flipped(encoded(".png"), 900), "is damaged [(]wrong checksum"),
    "changed-header.png": (flipped(encoded(".png"), 18), "is damaged [(]wrong checksum"),
    "no-pixels.png": (png_with_header(0, 60), "is damaged, or no image"),
    "bomb.png": (png_with_header(2**31 - 1, 2**31 - 1), "is damaged, or no image"),
    "taller-than-data.png": (png_with_header(60, 600), "is damaged, or no image"),
    "truncated-jpg.jpg": (encoded(".jpg")[:1500], "is damaged, or no image"),
    "truncated-late-jpg.jpg": (encoded(".jpg")[:-2], "is damaged, or no image"),
    "header-only-jpg.jpg": (encoded(".jpg")[:20], "is damaged, or no image"),
    "truncated-webp.webp": (encoded(".webp")[:-100], "is damaged, or no image"),
    "truncated-tif.tif": (encoded(".tif")[:-100], "is damaged, or no image"),
    "truncated-bmp.bmp": (encoded(".bmp")[:-100], "is damaged, or no image"),
    "header-only-bmp.bmp": (encoded(".bmp")[:54], "is damaged, or no image"),
    "float.tiff": (cv2.imencode(".tiff", PHOTO.astype(np.float32))[1].tobytes(), "samples of type float32"),
    "double.tiff": (cv2.imencode(".tiff", PHOTO.astype(np.float64))[1].tobytes(), "samples of type float64"),
    "too small.png": (encode_png(PHOTO[:23]), "60x23 is too small"),
    "one pixel.png": (encode_png(PHOTO[:1, :1]), "1x1 is too small"),
    "line\nbreak.png": (b"x", "is damaged, or no image"),
    "写真.png": (b"x", "is damaged, or no image"),
    os.fsdecode(b"latin-\xe9.png"): (b"x", "is damaged, or no image"),
    "-dash.png": (b"x", "is damaged, or no image"),
}


def test_each_bad_image_is_one_line_and_the_good_ones_are_kept(tmp_path, capsys):
    folder = tmp_path / "in"
    for i in range(3):
        write_image(folder / f"good{i}.png", PHOTO)
    for name, (data, _) in BAD.items():
        (folder / name).write_bytes(data)
    (folder / "dead-link.png").symlink_to(folder / "nowhere")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")  # reading it would wait for ever

    prepare_photos(folder, tmp_path, "mine", RECIPE, skip_bad=True)

    lines = [line for line in capsys.readouterr().err.splitlines() if re.search("bad: |left out: ", line)]
    assert len(lines) == len(BAD) + 2
    for name, message in {name: message for name, (_, message) in BAD.items()}.items():
        shown = printable(name)
        assert [line for line in lines if re.search(f"/{re.escape(shown)}: .*{message}", line)], (shown, lines)
    keys = [line.key for line in read_meta(tmp_path / "mine" / "mine_HR_sub.lmdb")]
    assert keys == [f"good{i}_s{k:03d}" for i in range(3) for k in (1, 2, 3, 4)]


def test_the_images_meant_to_be_bad_are_the_only_bad_ones(tmp_path):
    """The same photo, whole, in every format of the table above."""
    for extension in (".png", ".jpg", ".webp", ".tif", ".bmp"):
        (tmp_path / f"{extension[1:]}{extension}").write_bytes(encoded(extension))
    prepare_photos(tmp_path, tmp_path / "out", "mine", RECIPE)
    assert len(read_meta(tmp_path / "out" / "mine" / "mine_HR_sub.lmdb")) == 20


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_image_that_may_not_be_read_is_named(tmp_path, capsys):
    write_image(tmp_path / "in" / "good.png", PHOTO)
    write_image(tmp_path / "in" / "secret.png", PHOTO)
    (tmp_path / "in" / "secret.png").chmod(0)
    prepare_photos(tmp_path / "in", tmp_path, "mine", RECIPE, skip_bad=True)
    assert "secret.png: cannot be read (Permission denied)" in capsys.readouterr().err
