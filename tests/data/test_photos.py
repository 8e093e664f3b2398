import cv2
import pytest

from ssiu_arch.data.lmdb_sets import read_meta
from ssiu_arch.data.sub_images import Recipe
from ssiu_arch.data.training_sets import prepare_photos
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


@pytest.mark.parametrize("name", ["my photos", "a/b", "..", "é"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"--name .* may only have ASCII letters"):
        prepare_photos(tmp_path, tmp_path, name, X4)


def test_a_folder_without_images_says_what_it_looked_for(tmp_path):
    with pytest.raises(UserError, match="holds no PNG, JPEG, WebP, TIFF or BMP images"):
        prepare_photos(tmp_path, tmp_path, "mine", X4)
