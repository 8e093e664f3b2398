import os
import re
from pathlib import Path

import cv2
import lmdb
import pytest

from ssiu_arch.data import verify as verify_module
from ssiu_arch.data.images import encode_png, read_image, write_image
from ssiu_arch.data.prepare import SubImageSet, prepare
from ssiu_arch.data.sources import from_folder
from ssiu_arch.data.sub_images import Recipe, make_lr
from ssiu_arch.data.verify import PairedSet, find_pairs, verify
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import write_file

RECIPE = Recipe((2, 4), 48, 24, 48)


@pytest.fixture
def lmdb_pair(folder_of_photos, tmp_path):
    target = SubImageSet("set", tmp_path / "out", RECIPE)
    prepare(target, from_folder(folder_of_photos()))
    return PairedSet(target.lmdb("HR"), target.lmdb("X4"), 4)


@pytest.fixture
def folder_pair(tmp_path, photo):
    for i in range(3):
        write_image(tmp_path / "HR" / f"{i}.png", photo(50, 70, i))
        write_image(tmp_path / "LR" / f"{i}x4.png", make_lr(photo(50, 70, i), 4))
    return PairedSet(tmp_path / "HR", tmp_path / "LR", 4, "{}x4")


def change(folder, action):
    """Do ``action`` to the database in ``folder``."""
    with lmdb.open(str(folder), map_size=2**22, lock=False) as env, env.begin(write=True) as transaction:
        action(transaction)


def edit_meta(folder, action):
    path = folder / "meta_info.txt"
    path.write_text(action(path.read_text()))


def test_prepared_sets_are_right_in_every_way_of_naming_them(lmdb_pair, folder_pair):
    for pair in (lmdb_pair, folder_pair):
        report = verify(pair)
        assert (report.problems, report.notes) == ([], [])
    found = find_pairs(lmdb_pair.dataroot_gt.parent)
    assert [pair.scale for pair in found] == [2, 4]
    assert found[1] == lmdb_pair
    assert all(verify(pair).problems == [] for pair in found)


PROBLEMS = {
    "a key that is not in the database": (
        lambda gt, lq: change(lq, lambda t: t.delete(b"img1_s002")),
        r"LR: .*X4_sub\.lmdb: 1 keys of meta_info\.txt are not in data\.mdb \(img1_s002\)",
    ),
    "different keys": (
        lambda gt, lq: edit_meta(lq, lambda text: text.replace("img0_s001.png", "other.png")),
        r"2 images \(img0_s001, other\): only in one of the two meta_info\.txt",
    ),
    "sizes that do not fit": (
        lambda gt, lq: edit_meta(lq, lambda text: text.replace("(12,12,3)", "(12,13,3)", 1)),
        r"img0_s001: GT is not 4 x LQ \(GT 48x48, LQ 13x12\)",
    ),
    "an image that is not what meta_info says": (
        lambda gt, lq: change(lq, lambda t: t.put(b"img0_s001", encode_png(read_image(lq.parent / "tiny.png")))),
        r"img0_s001: is \(6, 6, 3\), meta_info\.txt says \(12, 12, 3\)",
    ),
    "a damaged image": (
        lambda gt, lq: change(lq, lambda t: t.put(b"img0_s001", t.get(b"img0_s001")[:100])),
        r"X4_sub\.lmdb/img0_s001: is truncated after 100 bytes",
    ),
    "images in the wrong order": (
        lambda gt, lq: change(
            lq, lambda t: (t.put(b"img0_s001", t.get(b"img2_s001")), t.put(b"img0_s002", t.get(b"img2_s002")))
        ),
        r"LR of 2 images \(img0_s001, img0_s002\): does not show what HR shows",
    ),
    "a truncated map": (
        lambda gt, lq: os.truncate(gt / "data.mdb", 30_000),
        r"HR_sub\.lmdb/data\.mdb: is truncated, 30000 of \d+ bytes",
    ),
    "an empty set": (
        lambda gt, lq: [write_file(folder / "meta_info.txt", b"") for folder in (gt, lq)],
        r"^no pairs$",
    ),
}


@pytest.mark.parametrize("kind", PROBLEMS)
def test_a_problem_in_lmdb_is_named(lmdb_pair, photo, kind):
    damage, message = PROBLEMS[kind]
    write_image(lmdb_pair.dataroot_lq.parent / "tiny.png", photo(6, 6))
    damage(lmdb_pair.dataroot_gt, lmdb_pair.dataroot_lq)
    problems = verify(lmdb_pair).problems
    assert any(re.search(message, problem) for problem in problems), problems


def test_folders_lmdb_and_missing_ones_do_not_mix(lmdb_pair, folder_pair, tmp_path):
    with pytest.raises(UserError, match=r"either both must be \.lmdb or none"):
        verify(PairedSet(lmdb_pair.dataroot_gt, folder_pair.dataroot_lq, 4))
    with pytest.raises(UserError, match="none: LR is missing"):
        verify(PairedSet(lmdb_pair.dataroot_gt, tmp_path / "none", 4))
    (lmdb_pair.dataroot_gt / "meta_info.txt").unlink()
    with pytest.raises(UserError, match=r"meta_info\.txt: is missing"):
        verify(lmdb_pair)


def test_names_that_do_not_match_are_named_and_the_images_still_compared(folder_pair):
    pair = PairedSet(folder_pair.dataroot_gt, folder_pair.dataroot_lq, 4, "{}")
    assert verify(pair).problems == ["LR of all 3 images: renamed, 0x4.png instead of 0.png"]
    (folder_pair.dataroot_lq / "1x4.png").unlink()
    (folder_pair.dataroot_gt / "2.png").unlink()
    missing_lr, missing_hr = verify(folder_pair).problems
    assert missing_lr.startswith("LR is missing for 1: ")
    assert missing_hr == "HR is missing for the LR of 2x4"


def test_lr_of_another_kind_is_a_note_in_a_set_of_your_own(folder_pair):
    for path in folder_pair.dataroot_gt.iterdir():
        area = cv2.resize(read_image(path)[:48, :68], (17, 12), interpolation=cv2.INTER_AREA)
        write_image(folder_pair.dataroot_lq / f"{path.stem}x4.png", area)
    report = verify(folder_pair)
    assert report.problems == []
    assert report.summary.endswith("no benchmark known here")
    assert report.notes == ["LR of all 3 images: made by OpenCV's area average, not by MATLAB's bicubic"]


def options(tmp_path, text):
    write_file(tmp_path / "o.yml", text.encode())
    return tmp_path / "o.yml"


def test_a_benchmark_is_known_from_within_its_folder(folder_pair, tmp_path, monkeypatch):
    (tmp_path / "Set5" / "LR_bicubic").mkdir(parents=True)
    folder_pair.dataroot_gt.rename(tmp_path / "Set5" / "HR")
    folder_pair.dataroot_lq.rename(tmp_path / "Set5" / "LR_bicubic" / "X4")
    monkeypatch.chdir(tmp_path / "Set5")
    (pair,) = find_pairs(Path("."))
    assert "3 images instead of 5" in verify(pair).problems


def test_hr_that_leaves_nothing_of_lr_is_named(folder_pair, photo):
    write_image(folder_pair.dataroot_gt / "1.png", photo(50, 3))
    assert "HR of 1: a side below 4 pixels, which leaves nothing of LR" in verify(folder_pair).problems


def test_an_option_file_names_its_sets(tmp_path):
    path = options(
        tmp_path,
        "scale: 4\ndatasets:\n  train: {dataroot_gt: a.lmdb, dataroot_lq: b.lmdb}\n"
        "  val: {dataroot_gt: c, dataroot_lq: d, filename_tmpl: '{}x4'}\n",
    )
    first, second = find_pairs(path)
    assert (str(first.dataroot_gt), first.scale, first.filename_tmpl) == ("a.lmdb", 4, "{}")
    assert (str(second.dataroot_lq), second.scale, second.filename_tmpl) == ("d", 4, "{}x4")


VAL = "scale: 4\ndatasets: {val: {dataroot_gt: a, dataroot_lq: b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "invalid YAML"),
        ("scale: 4", "has no data sets under 'datasets:'"),
        ("- 1", "holds a list, not options"),
        (
            "scale: 4\ndatasets: {train: {dataroot_gt: a}}",
            "datasets: train: needs dataroot_gt and dataroot_lq",
        ),
        ("datasets: {val: {dataroot_gt: a, dataroot_lq: b}}", r"scale \(None\) must be a whole number"),
        (
            "scale: 4\ndatasets: {val: {dataroot_gt: a, dataroot_lq: null}}",
            "needs dataroot_gt and dataroot_lq",
        ),
        (
            "scale: 4\ndatasets: {val: {dataroot_gt: 5, dataroot_lq: b}}",
            "needs dataroot_gt and dataroot_lq",
        ),
        *((f"{VAL}, filename_tmpl: {bad}}}}}", "filename_tmpl") for bad in ("4", "x4", "'{}{}'", "'{x}'", "'{}{'")),
        ("scale: 4.0\ndatasets: {val: {dataroot_gt: a, dataroot_lq: b}}", r"scale \(4\.0\) must be"),
    ],
)
def test_an_option_file_that_cannot_be_used_is_one_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as caught:
        find_pairs(options(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_path_that_names_no_set_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"x\.yml: no such file"):
        find_pairs(tmp_path / "x.yml")
    with pytest.raises(UserError, match="no such folder"):
        find_pairs(tmp_path / "x")
    with pytest.raises(UserError, match="holds neither NAME_HR_sub"):
        find_pairs(tmp_path)


def test_large_sets_are_sampled_evenly(lmdb_pair, monkeypatch):
    looked_at = []
    original = verify_module._stored
    monkeypatch.setattr(verify_module, "SAMPLE", 5)
    monkeypatch.setattr(
        verify_module, "_stored", lambda folder, line: looked_at.append(line.key) or original(folder, line)
    )
    assert verify(lmdb_pair).problems == []
    assert 3 <= len(set(looked_at)) <= 5
    assert {key[:4] for key in looked_at} == {"img0", "img1", "img2"}
