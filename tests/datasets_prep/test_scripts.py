"""The scripts as commands: output, exit codes, interruption."""

import io
import os
import runpy
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ssiu_arch.data.script import run as run_main
from ssiu_arch.data.script import say

SCRIPTS = ["benchmarks.py", "demo.py", "df2k.py", "photos.py", "verify.py"]


@pytest.fixture
def run(root, capsys, monkeypatch):
    """Run a script in this process: ``run("photos.py", folder)`` gives exit code, stdout and stderr."""

    def run(script, *arguments):
        path = root / "datasets_prep" / script
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        capsys.readouterr()
        try:
            runpy.run_path(str(path), run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OPENCV_LOG_LEVEL"):
        monkeypatch.setenv(name, os.environ.get(name, "1"))  # the scripts set them: restored after the test
    return run


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Three photos to prepare."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("photos")
    for i in range(3):
        image = cv2.GaussianBlur(rng.integers(0, 256, (300, 290, 3), np.uint8), (0, 0), 2)
        cv2.imwrite(str(folder / f"{i}.png"), image)
    return folder


@pytest.fixture
def photos(prepared, tmp_path):
    (tmp_path / "photos").mkdir()
    for path in prepared.iterdir():
        (tmp_path / "photos" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "photos"


def test_these_are_all_the_scripts(root):
    assert sorted(path.name for path in (root / "datasets_prep").glob("*.py")) == SCRIPTS


def test_help_shows_an_example_of_the_script_and_needs_no_heavy_imports(root, python):
    probe = (
        "import runpy, sys\n"
        "for script in sys.argv[1:]:\n"
        "    sys.argv = [script, '--help']\n"
        "    try:\n        runpy.run_path(script, run_name='__main__')\n"
        "    except SystemExit as end:\n        assert end.code == 0\n"
        "assert not {'numpy', 'cv2', 'torch', 'basicsr'} & set(sys.modules)"
    )
    done = python("-c", probe, *(root / "datasets_prep" / script for script in SCRIPTS))
    assert done.returncode == 0, done.stderr
    for script in SCRIPTS:
        assert f"Example:\n  python datasets_prep/{script}" in done.stdout


def test_the_demo_set_is_made_and_then_left_alone(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = run("demo.py")
    assert first.code == 0, first.err
    names = ["train_HR_sub.lmdb/data.mdb", "train_LR_bicubic_X4_sub.lmdb/meta_info.txt"]
    made = [tmp_path / "datasets/demo" / name for name in (*names, "val/HR/coffee.png", "val/LR_bicubic/X4/coffee.png")]
    times = [path.stat().st_mtime_ns for path in made]
    second = run("demo.py")
    assert [path.stat().st_mtime_ns for path in made] == times
    assert "nothing to do" in second.out

    checked = run("verify.py", "datasets/demo")
    assert checked.code == 0, checked.out
    assert checked.out.count("ok    ") == 3


def test_the_held_out_photo_is_not_trained_on():
    from ssiu_arch.data.training_sets import DEMO_TRAIN, DEMO_VALIDATION

    assert DEMO_VALIDATION not in DEMO_TRAIN


def test_photos_ends_with_0_1_or_2(run, photos, tmp_path):
    done = run("photos.py", photos, "--root", tmp_path / "out")
    assert done.code == 0, done.err
    assert "100%" in done.err
    (photos / "bad.png").write_bytes(b"bad")
    incomplete = run("photos.py", photos, "--root", tmp_path / "out2")
    assert incomplete.code == 1
    last = incomplete.err.splitlines()[-1]
    assert last.startswith("photos.py: 1 of 4 images")
    assert "--skip-bad" in last
    wrong = run("photos.py", tmp_path / "none")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err.startswith(f"photos.py: {tmp_path / 'none'}: ")
    assert wrong.err.count("\n") == 1


def test_a_script_works_with_stderr_closed(run, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert run("photos.py", photos, "--root", tmp_path / "out").code == 0


def test_a_reader_of_stdout_that_has_gone_ends_a_script_quietly(monkeypatch, capfd):
    closed = io.TextIOWrapper(io.BufferedWriter(Closed()))
    monkeypatch.setattr(sys, "stdout", closed)
    monkeypatch.setattr(os, "dup2", lambda *files: None)  # of the test's own stdout
    with pytest.raises(SystemExit) as end:
        run_main(lambda: say("ready"))
    assert (end.value.code, capfd.readouterr().err) == (141, "")


class Closed(io.RawIOBase):
    """A pipe that nobody reads."""

    def writable(self):
        return True

    def write(self, data):
        raise BrokenPipeError(32, "Broken pipe")


def test_ctrl_c_is_one_line_that_says_how_to_go_on(root, photos, tmp_path):
    for i in range(600):  # enough that it is at work when the signal comes
        (photos / f"copy{i}.png").symlink_to(photos / "0.png")
    options = ["--root", tmp_path / "out", "--size", "36", "--step", "12", "--smallest", "24"]
    process = subprocess.Popen(
        [sys.executable, root / "datasets_prep/photos.py", photos, *options],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not next(tmp_path.rglob("*.shard"), None):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "same command again" in error.splitlines()[-1]
    assert "Traceback" not in error


def test_names_beyond_the_encoding_of_stdout_are_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    run_main(lambda: say("写真.png\nb"))
    assert stream.buffer.getvalue() == rb"\u5199\u771f.png" + b"\nb\n"


def test_verify_counts_what_is_wrong(run, photos, tmp_path):
    assert run("photos.py", photos, "--root", tmp_path, "--name", "mine").code == 0
    os.truncate(tmp_path / "mine" / "mine_LR_bicubic_X4_sub.lmdb" / "data.mdb", 9000)
    result = run("verify.py", tmp_path / "mine")
    assert result.code == 1
    assert "mine_LR_bicubic_X4_sub.lmdb/data.mdb: is truncated, 9000 of" in result.out
    assert result.err.startswith("verify.py: 1 of 3 sets ")


@pytest.mark.parametrize("given", [("verify.py", ""), ("benchmarks.py", "--root", ""), ("photos.py", "in", "--root=")])
def test_empty_text_is_no_folder(run, tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    result = run(*given)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "is empty text" in result.err


def test_verify_of_nothing_or_of_an_archive_says_what_it_wants(run, tmp_path):
    (tmp_path / "benchmark.tar").write_bytes(b"x")
    assert run("verify.py").code == 2
    result = run("verify.py", tmp_path / "benchmark.tar")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "benchmark.tar: is an archive; unpack it" in result.err


def test_download_and_source_exclude_each_other(run, tmp_path):
    result = run("benchmarks.py", "--download", "--source", tmp_path)
    assert (result.code, result.err.count("\n")) == (2, 1)
