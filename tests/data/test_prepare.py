import hashlib
import os
import re

import numpy as np
import pytest

from ssiu_arch.data import prepare as prepare_module
from ssiu_arch.data.images import write_image
from ssiu_arch.data.lmdb_sets import open_lmdb, read_meta
from ssiu_arch.data.prepare import SubImageSet, is_finished, prepare
from ssiu_arch.data.script import SetIncomplete
from ssiu_arch.data.sources import from_folder
from ssiu_arch.data.sub_images import Recipe
from ssiu_arch.utils.errors import UserError

RECIPE = Recipe(size=48, step=24, smallest=24)
OUTPUTS = ("HR", "X2", "X3", "X4")


def digests(folder):
    """MD5 of every file below ``folder``, by name; nothing hidden may be left there."""
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def target(tmp_path):
    return SubImageSet("set", tmp_path / "out", RECIPE)


def test_a_set_has_these_files_and_nothing_else(folder_of_photos, target):
    prepare(target, from_folder(folder_of_photos()), jobs=2)
    assert sorted(digests(target.folder)) == [
        *(f"set_{kind}_sub.lmdb/{name}" for kind in ("HR", "LR_bicubic_X2", "LR_bicubic_X3", "LR_bicubic_X4")
          for name in ("data.mdb", "meta_info.txt")),
        "set_sub.json",
    ]  # fmt: skip
    keys = [[line.key for line in read_meta(target.lmdb(output))] for output in OUTPUTS]
    assert keys[0] == keys[1] == keys[2] == keys[3]
    assert len(keys[0]) > 20


def test_jobs_and_order_of_files_do_not_change_a_byte(folder_of_photos, tmp_path):
    sources = from_folder(folder_of_photos(5))
    for jobs in (1, 3):
        prepare(SubImageSet("set", tmp_path / str(jobs), RECIPE), sources, jobs=jobs)
    assert digests(tmp_path / "1") == digests(tmp_path / "3")


def test_a_finished_set_is_left_alone(folder_of_photos, target, capsys):
    sources = from_folder(folder_of_photos())
    prepare(target, sources)
    before = {path: path.stat().st_mtime_ns for path in target.folder.rglob("*")}
    target.work.mkdir()  # what a kill at the very end leaves
    target.lock.write_text("")
    prepare(target, sources)
    assert "finished before, nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in target.folder.rglob("*")} == before
    assert is_finished(target)


def test_other_settings_other_images_or_damage_are_no_finished_set(folder_of_photos, target, photo):
    photos = folder_of_photos()
    prepare(target, from_folder(photos))
    other = SubImageSet("set", target.folder, Recipe(size=48, step=36, smallest=24))
    with pytest.raises(UserError, match=r"set_sub\.json: .*step 24 not 36"):
        is_finished(other)
    with pytest.raises(UserError, match=r"set_sub\.json: .*3 images .*--force"):
        is_finished(target, from_folder(photos)[:2])
    record = target.record.read_text()
    for foreign in ("[]", "{}", '{"settings": 1}'):
        target.record.write_text(foreign)
        with pytest.raises(UserError, match=r"set_sub\.json: .*--force"):
            is_finished(target)
    target.record.write_text(record)
    os.truncate(target.lmdb("X3") / "data.mdb", 5000)
    with pytest.raises(UserError, match=r"X3_sub\.lmdb/data\.mdb: .*5000 bytes.*--force"):
        is_finished(target)


def test_nothing_is_overwritten_without_force(folder_of_photos, target):
    sources = from_folder(folder_of_photos())
    foreign = target.lmdb("X2") / "data.mdb"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    with pytest.raises(UserError, match=r"X2_sub\.lmdb: .*--force"):
        prepare(target, sources)
    assert foreign.read_text() == "mine"
    prepare(target, sources, force=True)
    assert is_finished(target, sources)


def test_force_makes_a_set_anew_with_other_settings(folder_of_photos, target):
    sources = from_folder(folder_of_photos())
    prepare(target, sources)
    other = SubImageSet("set", target.folder, Recipe((4,), 48, 24, 24))
    prepare(other, sources, force=True)
    assert is_finished(other, sources)
    assert not target.lmdb("X2").exists()


def test_bad_images_are_named_and_the_rest_is_kept(folder_of_photos, target, capsys):
    photos = folder_of_photos(4)
    whole = (photos / "img1.png").read_bytes()
    (photos / "img1.png").write_bytes(whole[:500])
    (photos / "img3.png").write_bytes(b"")
    with pytest.raises(SetIncomplete, match=r"2 of 4 images .*--skip-bad"):
        prepare(target, from_folder(photos))
    errors = [line for line in capsys.readouterr().err.splitlines() if "bad: " in line]
    assert len(errors) == 2
    assert "img1.png: is truncated after 500 bytes" in " ".join(errors)
    assert not is_finished(target)

    (photos / "img1.png").write_bytes(whole)
    (photos / "img3.png").unlink()
    cut = []
    original = prepare_module.cut
    prepare_module.cut = lambda source, recipe: cut.append(source.key) or original(source, recipe)
    try:
        prepare(target, from_folder(photos))
    finally:
        prepare_module.cut = original
    assert set(cut) == {"img1"}  # the others were ready
    assert is_finished(target, from_folder(photos))


def test_skip_bad_finishes_without_them_like_a_set_that_never_had_them(folder_of_photos, target, tmp_path):
    photos = folder_of_photos(4)
    clean = SubImageSet("set", tmp_path / "clean", RECIPE)
    (photos / "img2.png").unlink()
    prepare(clean, from_folder(photos))
    (photos / "img2.png").write_bytes(b"no image")
    prepare(target, from_folder(photos), skip_bad=True)
    ours, theirs = digests(target.folder), digests(clean.folder)
    assert ours.pop("set_sub.json") != theirs.pop("set_sub.json")  # the record names what was left out
    assert ours == theirs
    assert is_finished(target, from_folder(photos))


def test_small_images_are_left_out_by_name_and_do_not_stop_the_set(folder_of_photos, target, photo, capsys):
    photos = folder_of_photos(2)
    write_image(photos / "tiny.png", photo(20, 90))
    prepare(target, from_folder(photos))
    assert "left out: " in capsys.readouterr().err
    assert '"left_out": [\n  "tiny"\n ]' in target.record.read_text()


def test_an_unfinished_set_goes_on_only_with_its_own_settings(folder_of_photos, target, monkeypatch):
    sources = from_folder(folder_of_photos())
    monkeypatch.setattr(prepare_module, "_merge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        prepare(target, sources)
    monkeypatch.undo()
    other = SubImageSet("set", target.folder, Recipe(size=48, step=36, smallest=24))
    with pytest.raises(UserError, match=r"\.set_work: .*--force"):
        prepare(other, sources)
    prepare(target, sources)
    assert is_finished(target, sources)


def test_an_image_that_changed_since_it_was_cut_is_cut_again(folder_of_photos, target, tmp_path, photo):
    photos = folder_of_photos()
    (photos / "img1.png").write_bytes(b"")  # so that the other two are cut and the set is not finished
    with pytest.raises(SetIncomplete):
        prepare(target, from_folder(photos))
    write_image(photos / "img1.png", photo(80, 80, 78))
    write_image(photos / "img0.png", photo(90, 90, 77))
    prepare(target, from_folder(photos))
    fresh = SubImageSet("set", tmp_path / "fresh", RECIPE)
    prepare(fresh, from_folder(photos))
    assert digests(target.folder) == digests(fresh.folder)


def test_images_that_change_while_the_sets_are_written_are_noticed(folder_of_photos, target, monkeypatch):
    photos = folder_of_photos()
    monkeypatch.setattr(prepare_module, "_merge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        prepare(target, from_folder(photos))
    monkeypatch.undo()
    (photos / "img1.png").unlink()
    with pytest.raises(UserError, match=r"out: images changed .*--force"):
        prepare(target, from_folder(photos))
    (photos / "img1.png").write_bytes((photos / "img0.png").read_bytes())
    for other in ('["an older version"]', '{"sources": "", "used": []}'):
        target.merging.write_text(other)
        with pytest.raises(UserError, match=r"out: .*another version .*--force"):
            prepare(target, from_folder(photos))
    prepare(target, from_folder(photos), force=True)


def test_the_size_of_a_set_is_foretold(folder_of_photos, target, capsys):
    prepare(target, from_folder(folder_of_photos()))
    number, unit = re.search(r"It takes about (\S+) (\w+) in ", capsys.readouterr().out).groups()
    stored = 0
    for output in OUTPUTS:
        with open_lmdb(target.lmdb(output)) as env, env.begin() as transaction:
            stored += sum(len(png) for _, png in transaction.cursor())
    assert float(number) * {"kB": 1e3, "MB": 1e6}[unit] == pytest.approx(stored, rel=0.2)


def test_shards_go_as_soon_as_they_are_in_a_database(folder_of_photos, target, monkeypatch):
    left = []
    monkeypatch.setattr(
        prepare_module,
        "write_lmdb",
        lambda *given, original=prepare_module.write_lmdb: (
            left.append({path.parent.name for path in target.work.rglob("*.shard")}),
            original(*given),
        ),
    )
    prepare(target, from_folder(folder_of_photos()))
    assert left == [{"HR", "X2", "X3", "X4"}, {"X2", "X3", "X4"}, {"X3", "X4"}, {"X4"}]


# Forks a child for each run, so that packages are imported once and most of a child's life is work.
KILL_AND_RESUME = """
import os, random, signal, sys, time
from pathlib import Path
from ssiu_arch.data.prepare import SubImageSet, prepare
from ssiu_arch.data.sources import from_folder
from ssiu_arch.data.sub_images import Recipe

photos, out, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
recipe = Recipe(size=48, step=24, smallest=24)

def run(name, seconds=None):
    child = os.fork()
    if not child:
        prepare(SubImageSet("set", out / name, recipe), from_folder(photos), jobs=2)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]

begin = time.monotonic()
assert run("whole") == 0
duration = time.monotonic() - begin
chance = random.Random(seed)
ends = [run("killed", chance.uniform(0.05, 0.6) * duration) for _ in range(6)]
assert signal.SIGKILL in ends
assert run("killed") == 0
"""


def test_killed_at_random_moments_the_result_is_the_same_to_the_byte(folder_of_photos, tmp_path, python):
    photos = folder_of_photos(8, height=300, width=330)
    done = python("-c", KILL_AND_RESUME, photos, tmp_path, os.getpid(), timeout=100)
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob(".*"))


def test_the_lr_sub_images_are_those_of_the_whole_lr_image(folder_of_photos, target):
    from ssiu_arch.data.images import decode_image, read_image
    from ssiu_arch.data.sub_images import make_lr

    photos = folder_of_photos(1)
    prepare(target, from_folder(photos))
    lr = make_lr(read_image(photos / "img0.png"), 4)
    with open_lmdb(target.lmdb("X4")) as env, env.begin() as transaction:
        np.testing.assert_array_equal(decode_image(transaction.get(b"img0_s001"), "x"), lr[:12, :12])
