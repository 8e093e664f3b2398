import hashlib
import tarfile

import cv2
import numpy as np
import pytest

from ssiu_arch.data import benchmarks, known_sets
from ssiu_arch.data.benchmarks import download, find_sets, prepare_benchmarks
from ssiu_arch.data.download import Download
from ssiu_arch.data.images import read_image, write_image
from ssiu_arch.data.known_sets import set_name
from ssiu_arch.data.script import SetIncomplete
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.utils.errors import UserError

NAMES = ("baby", "bird")


@pytest.fixture(autouse=True)
def hr(photo, published, monkeypatch):
    """The images of a published set; ``Set5`` and ``B100`` are the only sets."""
    images = {name: photo(51 + i, 62, i) for i, name in enumerate(NAMES)}
    for name in known_sets.SETS.keys() - {"Set5", "B100"}:
        monkeypatch.delitem(known_sets.SETS, name)
    published("Set5", images)
    published("B100", images, one_by_one=False)
    return images


def lay_out(folder, images, hr_folder, lr_folder, template):
    for name, image in images.items():
        write_image(folder / hr_folder / f"{name}.png", image)
        if lr_folder:
            write_image(folder / lr_folder / f"{template.format(name)}.png", make_lr(image, 4))


@pytest.mark.parametrize(
    ("hr_folder", "lr_folder", "template"),
    [
        ("HR", "LR_bicubic/X4", "{}x4"),
        ("GT", "LRbicx4", "{}"),
        ("original", None, ""),
        (".", None, ""),
    ],
)
def test_every_layout_becomes_edsrs(tmp_path, hr, hr_folder, lr_folder, template):
    lay_out(tmp_path / "in" / "testsets" / "set5", hr, hr_folder, lr_folder, template)
    assert prepare_benchmarks(tmp_path / "in", tmp_path, [2, 4]) == [tmp_path / "benchmark" / "Set5"]
    for name, image in hr.items():
        np.testing.assert_array_equal(read_image(tmp_path / "benchmark/Set5/HR" / f"{name}.png"), image)
        for scale in (2, 4):
            lr = read_image(tmp_path / "benchmark/Set5/LR_bicubic" / f"X{scale}" / f"{name}x{scale}.png")
            np.testing.assert_array_equal(lr, make_lr(image, scale))


def test_png_files_are_copied_to_the_byte_and_others_converted(tmp_path, hr, published):
    published("Set5", {**hr, "baby": np.dstack([hr["baby"][..., 0]] * 3)})
    folder = tmp_path / "in" / "Set5" / "HR"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "baby.png"), hr["baby"][..., 0])  # grey, as Set14's bridge
    cv2.imwrite(str(folder / "bird.bmp"), hr["bird"])
    prepare_benchmarks(tmp_path / "in", tmp_path, [4])
    out = tmp_path / "benchmark" / "Set5" / "HR"
    assert (out / "baby.png").read_bytes() == (folder / "baby.png").read_bytes()
    np.testing.assert_array_equal(read_image(out / "bird.png"), hr["bird"])


def test_the_place_itself_is_completed(tmp_path, hr):
    lay_out(tmp_path / "benchmark" / "Set5", hr, "HR", "LR_bicubic/X4", "{}x4")
    before = (tmp_path / "benchmark/Set5/LR_bicubic/X4/babyx4.png").stat().st_mtime_ns
    prepare_benchmarks(tmp_path / "benchmark", tmp_path, [3, 4])
    assert (tmp_path / "benchmark/Set5/LR_bicubic/X3/birdx3.png").is_file()
    assert (tmp_path / "benchmark/Set5/LR_bicubic/X4/babyx4.png").stat().st_mtime_ns == before


def test_mod_12_files_are_placed_and_named_a_problem(tmp_path, hr, capsys):
    cropped = {name: image[:48, :60] for name, image in hr.items()}
    lay_out(tmp_path / "in" / "Set5", cropped, "GTmod12", "LRbicx4", "{}")
    with pytest.raises(SetIncomplete, match="1 problems"):
        prepare_benchmarks(tmp_path / "in", tmp_path, [4])
    assert "problem: HR of all 2 images: cropped to multiples of 12" in capsys.readouterr().out
    assert (tmp_path / "benchmark/Set5/HR/baby.png").is_file()


def test_lr_of_the_mod_12_files_is_not_paired_with_uncropped_hr(tmp_path, photo, published, capsys):
    hr = {name: photo(59, 71, i) for i, name in enumerate(NAMES)}
    published("Set5", hr)
    lay_out(tmp_path / "in" / "Set5", hr, "original", None, "")
    for name, image in hr.items():
        write_image(tmp_path / "in" / "Set5" / "LRbicx4" / f"{name}.png", make_lr(image[:48, :60], 4))
    prepare_benchmarks(tmp_path / "in", tmp_path, [4])
    assert "15x12 is not 1/4 of HR (71x59)" in capsys.readouterr().out
    lr = read_image(tmp_path / "benchmark/Set5/LR_bicubic/X4/babyx4.png")
    np.testing.assert_array_equal(lr, make_lr(hr["baby"], 4))


def test_lr_of_another_kind_is_kept_and_named_or_remade(tmp_path, hr, capsys):
    lay_out(tmp_path / "in" / "Set5", hr, "HR", None, "")
    for name, image in hr.items():
        odd = cv2.resize(image, (15, image.shape[0] // 4), interpolation=cv2.INTER_CUBIC)
        write_image(tmp_path / "in" / "Set5" / "LR_bicubic" / "X4" / f"{name}x4.png", odd)
    with pytest.raises(SetIncomplete):
        prepare_benchmarks(tmp_path / "in", tmp_path, [4])
    said = capsys.readouterr().out
    assert "x4: LR of all 2 images: made by OpenCV's bicubic" in said
    assert "--remake-lr" in said
    prepare_benchmarks(tmp_path / "in", tmp_path, [4], remake_lr=True, force=True)
    lr = read_image(tmp_path / "benchmark/Set5/LR_bicubic/X4/babyx4.png")
    np.testing.assert_array_equal(lr[:12, :15], make_lr(hr["baby"], 4))


def test_another_image_in_the_place_is_kept_without_force(tmp_path, hr, photo, capsys):
    lay_out(tmp_path / "in" / "Set5", hr, "HR", None, "")
    mine = tmp_path / "benchmark/Set5/HR/baby.png"
    write_image(mine, photo(51, 62, 9))
    kept = mine.read_bytes()
    with pytest.raises(SetIncomplete):
        prepare_benchmarks(tmp_path / "in", tmp_path, [4])
    assert "Set5/HR/baby.png: is another image" in capsys.readouterr().out
    assert mine.read_bytes() == kept
    prepare_benchmarks(tmp_path / "in", tmp_path, [4], force=True)
    np.testing.assert_array_equal(read_image(mine), hr["baby"])


@pytest.mark.parametrize("lr_folder", [None, "LR_bicubic/X4"])
def test_the_same_pixels_in_other_bytes_stay_as_they_are(tmp_path, hr, lr_folder):
    lay_out(tmp_path / "in" / "Set5", hr, "HR", lr_folder, "{}x4")
    prepare_benchmarks(tmp_path / "in", tmp_path, [4])
    files = sorted((tmp_path / "benchmark").rglob("*.png"))
    before = [path.read_bytes() for path in files]
    for path in files:
        cv2.imwrite(str(path), read_image(path), [cv2.IMWRITE_PNG_COMPRESSION, 0])
    kept = [path.read_bytes() for path in files]
    assert len(files) == 4
    assert not set(kept) & set(before)
    prepare_benchmarks(tmp_path / "in", tmp_path, [4])
    assert [path.read_bytes() for path in files] == kept


def test_a_wrong_count_and_a_bad_file_are_named_and_the_others_done(tmp_path, hr, capsys):
    lay_out(tmp_path / "in" / "BSDS100", hr, "HR", None, "")
    (tmp_path / "in" / "BSDS100" / "HR" / "bird.png").write_bytes(b"")
    (tmp_path / "in" / "BSDS100" / "HR" / "third.png").write_bytes(b"x")
    with pytest.raises(SetIncomplete, match="4 problems"):
        prepare_benchmarks(tmp_path / "in", tmp_path, [4])
    out = capsys.readouterr().out
    assert "1 images instead of 2" in out
    assert "bird.png: is empty" in out
    assert (tmp_path / "benchmark/B100/LR_bicubic/X4/babyx4.png").is_file()


def test_hr_that_leaves_nothing_of_lr_is_named(tmp_path, hr, capsys):
    lay_out(tmp_path / "in" / "Set5", {**hr, "bird": hr["bird"][:3]}, "HR", None, "")
    with pytest.raises(SetIncomplete):
        prepare_benchmarks(tmp_path / "in", tmp_path, [2, 4])
    assert "bird.png: a side is below 4 pixels" in capsys.readouterr().out
    assert (tmp_path / "benchmark/Set5/LR_bicubic/X4/babyx4.png").is_file()


def test_the_selfexsr_layout_is_refused_by_name(tmp_path, hr):
    lay_out(tmp_path / "in" / "Set5", hr, "image_SRF_4", None, "")
    with pytest.raises(UserError, match=r"in/Set5: .*SelfExSR"):
        list(find_sets(tmp_path / "in"))


def test_a_folder_without_sets_says_which_names_it_looked_for(tmp_path):
    with pytest.raises(UserError, match="Set5, B100"):
        prepare_benchmarks(tmp_path, tmp_path, [4])
    with pytest.raises(UserError, match=r"none: there is no such folder; .*--source; --download fetches https://"):
        prepare_benchmarks(tmp_path / "none", tmp_path, [4])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("set5", "Set5"),
        ("B100_HR", "B100"),
        ("BSDS100", "B100"),
        ("CBSD100", "B100"),
        ("coffee", None),
        ("Set50", None),
    ],
)
def test_benchmarks_have_several_names(name, expected):
    assert set_name(name) == expected


def test_an_archive_as_source_is_to_be_unpacked(tmp_path):
    (tmp_path / "benchmark.tar").write_bytes(b"x")
    with pytest.raises(UserError, match=r"benchmark\.tar: .*unpack"):
        prepare_benchmarks(tmp_path / "benchmark.tar", tmp_path, [4])


def test_the_images_alone_in_a_folder_named_for_hr_are_taken_with_a_note(tmp_path, hr, capsys):
    lay_out(tmp_path / "in" / "Set5_HR", hr, ".", None, "")
    assert prepare_benchmarks(tmp_path / "in", tmp_path, [4]) == [tmp_path / "benchmark/Set5"]
    assert "Set5_HR is taken for Set5" in capsys.readouterr().out


def test_the_archive_is_downloaded_unpacked_and_prepared(tmp_path, hr, serve, monkeypatch):
    lay_out(tmp_path / "files" / "benchmark" / "Set5", hr, "HR", "LR_bicubic/X4", "{}x4")
    with tarfile.open(tmp_path / "benchmark.tar", "w") as tar:
        tar.add(tmp_path / "files" / "benchmark", "benchmark")
    data = (tmp_path / "benchmark.tar").read_bytes()
    server = serve(data, limit=len(data) // 2 + 1)  # the connection breaks once
    archive = Download(f"{server.url}/benchmark.tar", hashlib.md5(data).hexdigest())
    monkeypatch.setattr(benchmarks, "ARCHIVE", archive)
    for _ in range(2):
        assert download(tmp_path / "downloads") == tmp_path / "downloads"
    assert server.requests == [None, f"bytes={server.limit}-"]
    assert prepare_benchmarks(tmp_path / "downloads", tmp_path, [4]) == [tmp_path / "benchmark/Set5"]


def test_a_damaged_archive_leaves_nothing_unpacked(tmp_path):
    (tmp_path / "benchmark.tar").write_bytes(b"x" * 2000)
    with pytest.raises(UserError, match=r"benchmark\.tar: is damaged .*remove it"):
        download(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["benchmark.tar"]
