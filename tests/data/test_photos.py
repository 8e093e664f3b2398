import re

import cv2
import numpy as np
import pytest

from ssiu_arch.data.images import decode_image, read_image, write_image
from ssiu_arch.data.lmdb_sets import open_lmdb, read_meta
from ssiu_arch.data.photos import prepare_photos
from ssiu_arch.data.sub_images import Recipe, make_lr
from ssiu_arch.utils.errors import UserError

X4 = Recipe((4,), 48, 48, 24)


def test_formats_and_folders_may_be_mixed(tmp_path, photo):
    for i, name in enumerate(("a.png", "b.jpg", "sub/c.webp", "sub/deep/d.tif", "e.BMP", "IMG 1.2.jpeg")):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix.lower(), photo(48, 48, i))[1].tobytes())
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    prepare_photos(tmp_path / "in", tmp_path, "mine", X4)
    keys = {line.key for line in read_meta(tmp_path / "mine" / "mine_HR_sub.lmdb")}
    assert keys == {"a_s001", "b_s001", "c_s001", "d_s001", "e_s001", "IMG_x201_x2e2_s001"}


@pytest.mark.parametrize("suffix", ["", "x4"])
def test_given_lr_images_are_used_as_they_are(tmp_path, photo, suffix):
    for i in range(2):
        write_image(tmp_path / "hr" / f"{i}.png", photo(50, 70, i))
        write_image(tmp_path / "lr" / f"{i}{suffix}.png", 255 - make_lr(photo(50, 70, i), 4))
    prepare_photos(tmp_path / "hr", tmp_path, "mine", X4, lr=tmp_path / "lr")
    with open_lmdb(tmp_path / "mine" / "mine_LR_bicubic_X4_sub.lmdb") as env, env.begin() as transaction:
        stored = decode_image(transaction.get(b"1_s001"), "x")
    np.testing.assert_array_equal(stored, read_image(tmp_path / "lr" / f"1{suffix}.png")[:12, :12])


def test_lr_that_is_missing_or_of_the_wrong_size_is_named(tmp_path, photo, capsys):
    for i in range(2):
        write_image(tmp_path / "hr" / f"{i}.png", photo(50, 70, i))
        write_image(tmp_path / "lr" / f"{i}.png", photo(12 + i, 17, i))
    with pytest.raises(UserError, match=r"1 of 2 images .*--skip-bad"):
        prepare_photos(tmp_path / "hr", tmp_path, "mine", X4, lr=tmp_path / "lr")
    message = r"lr/1.png: 17x13 .*hr/1.png \(70x50\).* 17x12"
    assert re.search(message, capsys.readouterr().err)
    (tmp_path / "lr" / "1.png").unlink()
    with pytest.raises(UserError, match=r"hr/1\.png: has no LR image in .*lr \(looked for 1 and 1x4\)"):
        prepare_photos(tmp_path / "hr", tmp_path, "mine", X4, lr=tmp_path / "lr")


def test_lr_of_several_scales_cannot_be_given(tmp_path, photo):
    write_image(tmp_path / "hr" / "a.png", photo(50, 70))
    with pytest.raises(UserError, match="--scales 4"):
        prepare_photos(tmp_path / "hr", tmp_path, "mine", Recipe((2, 4), 48, 48, 24), lr=tmp_path / "hr")


@pytest.mark.parametrize("name", ["my photos", "a/b", "..", "é"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"--name .* may only have ASCII letters"):
        prepare_photos(tmp_path, tmp_path, name, X4)


def test_a_folder_without_images_says_what_it_looked_for(tmp_path):
    with pytest.raises(UserError, match="holds no PNG, JPEG, WebP, TIFF or BMP images"):
        prepare_photos(tmp_path, tmp_path, "mine", X4)
