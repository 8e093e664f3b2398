import tarfile
import zipfile

import pytest

from ssiu_arch.data.images import encode_png
from ssiu_arch.data.lmdb_sets import read_meta
from ssiu_arch.data.sub_images import Recipe
from ssiu_arch.data.training_sets import PARTS, find, prepare_df2k
from ssiu_arch.utils.errors import UserError

RECIPE = Recipe((4,), 48, 48, 24)
DIV2K, FLICKR2K = (part._replace(number=3) for part in PARTS)


@pytest.fixture
def files(photo):
    """The PNG files of a tiny DF2K by key."""
    keys = [*DIV2K.keys, *FLICKR2K.keys]
    return {key: encode_png(photo(52, 60, i)) for i, key in enumerate(keys)}


def unpack(folder, files, part):
    folder.mkdir(parents=True, exist_ok=True)
    for key in part.keys:
        (folder / f"{key}.png").write_bytes(files[key])


def zip_div2k(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "DIV2K_train_HR.zip", "w") as archive:
        for key in DIV2K.keys:
            archive.writestr(f"DIV2K_train_HR/{key}.png", files[key])


def tar_flickr2k(folder, files):
    """With the LR images that the official archive also holds."""
    loose = folder / "loose"
    with tarfile.open(folder / "Flickr2K.tar", "w") as archive:
        for key in FLICKR2K.keys:
            for name in (f"Flickr2K_HR/{key}.png", f"Flickr2K_LR_bicubic/X4/{key}x4.png", f"A_LR/{key}.png"):
                loose.write_bytes(files[key] if "_HR" in name else b"LR")
                archive.add(loose, f"Flickr2K/{name}")
    loose.unlink()


def make(source, root, **options):
    prepare_df2k(source, root, RECIPE, parts=(DIV2K, FLICKR2K), **options)
    return root / "DF2K"


def test_archives_folders_and_half_unpacked_ones_give_the_same_set(tmp_path, files):
    unpack(tmp_path / "a" / "DIV2K" / "DIV2K_train_HR", files, DIV2K)
    unpack(tmp_path / "a" / "Flickr2K" / "Flickr2K_HR", files, FLICKR2K)
    zip_div2k(tmp_path / "b", files)
    tar_flickr2k(tmp_path / "b", files)
    zip_div2k(tmp_path / "c", files)
    unpack(tmp_path / "c" / "DIV2K_train_HR", files, DIV2K)
    (tmp_path / "c" / "DIV2K_train_HR" / "0002.png").write_bytes(files["0002"][:300])  # unpacking stopped here
    (tmp_path / "c" / "DIV2K_train_HR" / "0003.png").unlink()
    unpack(tmp_path / "c" / "Flickr2K", files, FLICKR2K)
    sets = [make(tmp_path / name, tmp_path / f"out_{name}") for name in "abc"]
    names = ["DF2K_HR_sub.lmdb/data.mdb", "DF2K_LR_bicubic_X4_sub.lmdb/data.mdb"]
    for name in names:
        assert len({(folder / name).read_bytes() for folder in sets}) == 1
    keys = [line.key for line in read_meta(sets[0] / "DF2K_HR_sub.lmdb")]
    assert keys == [f"{key}_s{i:03d}" for key in files for i in (1, 2, 3, 4)]


def test_lr_images_in_the_archive_are_passed_over(tmp_path, files):
    tar_flickr2k(tmp_path, files)
    found = find(FLICKR2K, tmp_path)
    assert [source.member for source in found.values()] == [f"Flickr2K/Flickr2K_HR/{key}.png" for key in FLICKR2K.keys]


def test_a_finished_set_needs_its_sources_no_more(tmp_path, files, capsys):
    zip_div2k(tmp_path / "b", files)
    tar_flickr2k(tmp_path / "b", files)
    make(tmp_path / "b", tmp_path / "out")
    make(tmp_path / "nowhere", tmp_path / "out")
    assert "finished before" in capsys.readouterr().out


def test_missing_images_are_counted_and_the_first_is_named(tmp_path, files):
    zip_div2k(tmp_path, files)
    unpack(tmp_path / "Flickr2K_HR", files, FLICKR2K)
    (tmp_path / "Flickr2K_HR" / "000002.png").unlink()
    with pytest.raises(UserError, match=r"1 of 3 images of Flickr2K .*000002\.png.*--skip-bad"):
        make(tmp_path, tmp_path / "out")
    make(tmp_path, tmp_path / "out", skip_bad=True)


def test_a_folder_without_it_says_what_to_put_there(tmp_path):
    with pytest.raises(UserError, match=r"DIV2K_train_HR\.zip \(https://.*--download"):
        make(tmp_path, tmp_path / "out")


def test_download_fetches_what_is_missing(tmp_path, files, monkeypatch):
    unpack(tmp_path / "DIV2K_train_HR", files, DIV2K)
    asked = []

    def fetch(item, folder):
        asked.append(item.url)
        tar_flickr2k(folder, files)
        return folder / "Flickr2K.tar"

    monkeypatch.setattr("ssiu_arch.data.training_sets.fetch", fetch)
    make(tmp_path, tmp_path / "out", download=True)
    assert [url.rpartition("/")[2] for url in asked] == ["Flickr2K.tar"]


def test_the_real_parts_are_800_and_2650_images():
    assert [(part.keys[0], part.keys[-1], part.number) for part in PARTS] == [
        ("0001", "0800", 800),
        ("000001", "002650", 2650),
    ]
