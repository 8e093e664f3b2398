import tarfile
import zipfile

import numpy as np
import pytest

from ssiu_arch.data.images import BadImage, encode_png
from ssiu_arch.data.sources import check_keys, from_archive, from_file, from_folder, key_of
from ssiu_arch.utils.errors import UserError


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("0001.png", "0001"),
        ("a/b/img-1_x.jpg", "img-1_x"),
        ("IMG 1.2.jpg", "IMG_x201_x2e2"),
        ("été.png", "_xe9t_xe9"),
        ("写真.webp", "_x5199_x771f"),
    ],
)
def test_keys_are_what_basicsr_can_store(name, key):
    assert key_of(name) == key


def test_long_names_keep_different_short_keys():
    keys = {key_of(f"{'写' * 80}{i}.png") for i in range(10)}
    assert len(keys) == 10
    assert max(map(len, keys)) <= 200


def test_two_images_of_one_key_are_both_named(tmp_path):
    with pytest.raises(UserError, match=r"a\.jpg and .*a\.png: .*'a'"):
        check_keys([from_file(tmp_path / "a.jpg"), from_file(tmp_path / "b.png"), from_file(tmp_path / "a.png")])


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_are_read_in_place(tmp_path, photo, kind):
    images = {f"top/{name}.png": photo(20, 30, i) for i, name in enumerate(("b", "a", "c"))}
    path = tmp_path / f"set.{kind}"
    others = {"top/readme.txt": b"hello", "top/._a.png": b"what macOS adds"}
    pack(path, {**{name: encode_png(image) for name, image in images.items()}, **others})
    sources = from_archive(path)
    assert [source.key for source in sources] == ["a", "b", "c"]
    for source in sources:
        np.testing.assert_array_equal(source.read(), images[source.member])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_a_truncated_archive_is_named(tmp_path, photo, kind, share):
    path = tmp_path / f"set.{kind}"
    pack(path, {f"{i}.png": encode_png(photo(64, 64, i)) for i in range(6)})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match=rf"set\.{kind}: is not a complete zip or uncompressed tar"):
        from_archive(path)


def test_a_compressed_tar_is_named(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w:gz"):
        pass
    with pytest.raises(UserError, match=r"set\.tar: is not a complete zip or uncompressed tar"):
        from_archive(tmp_path / "set.tar")


def test_a_member_with_a_password_or_gone_since_is_named_when_it_is_read(tmp_path, photo):
    path = tmp_path / "set.zip"
    pack(path, {"in/a.png": encode_png(photo(64, 64))})
    (source,) = from_archive(path)
    data = path.read_bytes()
    at = data.index(b"PK\1\2") + 8  # flags in the directory
    path.write_bytes(data[:at] + bytes([data[at] | 1]) + data[at + 1 :])
    with pytest.raises(BadImage, match=r"set\.zip/in/a\.png: .*encrypted"):
        source.read()
    pack(path, {"in/b.png": b"another"})
    with pytest.raises(BadImage, match=r"set\.zip/in/a\.png: cannot be read from the archive"):
        source.read()


def test_a_damaged_member_is_named_when_it_is_read(tmp_path, photo):
    path = tmp_path / "set.zip"
    pack(path, {"in/a.png": encode_png(photo(64, 64))})
    data = bytearray(path.read_bytes())
    data[2000] ^= 255
    path.write_bytes(data)
    with pytest.raises(BadImage, match=r"set\.zip/in/a\.png: cannot be read from the archive"):
        from_archive(path)[0].read()


def test_a_dead_link_fails_when_it_is_read_not_before(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "none")
    (source,) = from_folder(tmp_path)
    with pytest.raises(BadImage, match=r"a\.png: cannot be read"):
        source.read()


def pack(path, members):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return
    loose = path.with_suffix(".loose")
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            loose.write_bytes(data)
            archive.add(loose, name)
    loose.unlink()
