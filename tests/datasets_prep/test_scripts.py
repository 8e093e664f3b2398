import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

REPO = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in (REPO / "datasets_prep").glob("*.py"))


def run(script, *arguments, cwd=None):
    """Run a script as a user does, from any folder."""
    command = [sys.executable, str(REPO / "datasets_prep" / script), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(3):
        image = cv2.GaussianBlur(rng.integers(0, 256, (300, 290, 3), np.uint8), (0, 0), 2)
        cv2.imwrite(str(tmp_path / "photos" / f"{i}.png"), image)
    return tmp_path / "photos"


def test_these_are_all_the_scripts():
    assert SCRIPTS == ["benchmarks.py", "demo.py", "df2k.py", "photos.py", "verify.py"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_an_example_of_this_script_and_answers_without_heavy_imports(script, tmp_path):
    probe = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'numpy', 'cv2', 'torch', 'basicsr'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", probe, str(REPO / "datasets_prep" / script)]
    result = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(REPO)}, capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 0, result.stderr
    assert f"Example:\n  python datasets_prep/{script}" in result.stdout


def test_the_demo_set_is_made_and_then_left_alone(tmp_path):
    first = run("demo.py", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "bicubic x4 on coffee.png: PSNR 27." in first.stdout
    for name in (
        "train_HR_sub.lmdb/data.mdb",
        "train_LR_bicubic_X4_sub.lmdb/meta_info.txt",
        "val/HR/coffee.png",
        "val/LR_bicubic/X4/coffee.png",
    ):
        assert (tmp_path / "datasets" / "demo" / name).is_file()
    start = time.monotonic()
    second = run("demo.py", cwd=tmp_path)
    assert time.monotonic() - start < 5
    assert "finished before, nothing to do" in second.stdout
    assert second.stdout.splitlines()[-1] == first.stdout.splitlines()[-1]

    checked = run("verify.py", "datasets/demo", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("ok    ") == 3


def test_the_held_out_photo_is_not_trained_on():
    from ssiu_arch.data.demo import TRAIN, VALIDATION

    assert VALIDATION not in TRAIN


def test_photos_ends_with_0_1_or_2(photos, tmp_path):
    done = run("photos.py", photos, "--root", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "100%" in done.stderr
    (photos / "bad.png").write_bytes(b"bad")
    incomplete = run("photos.py", photos, "--root", tmp_path / "out2")
    assert incomplete.returncode == 1
    last = incomplete.stderr.splitlines()[-1]
    assert last.startswith("photos.py: 1 of 4 images could not be used")
    wrong = run("photos.py", tmp_path / "none")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == f"photos.py: {tmp_path / 'none'}: there is no such folder\n"


def test_ctrl_c_is_one_line_that_says_how_to_go_on(photos, tmp_path):
    for i in range(600):  # enough that it is at work when the signal comes
        (photos / f"copy{i}.png").write_bytes((photos / "0.png").read_bytes())
    command = [sys.executable, str(REPO / "datasets_prep" / "photos.py"), str(photos), "--root", str(tmp_path / "out")]
    process = subprocess.Popen(
        [*command, "--size", "36", "--step", "12", "--smallest", "24"],
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not next(tmp_path.rglob("*.shard"), None):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert error.splitlines()[-1] == "Interrupted. What is done is kept: run the same command again to go on."
    assert "Traceback" not in error


def test_verify_counts_what_is_wrong(photos, tmp_path):
    assert run("photos.py", photos, "--root", tmp_path, "--name", "mine").returncode == 0
    os.truncate(tmp_path / "mine" / "mine_LR_bicubic_X4_sub.lmdb" / "data.mdb", 9000)
    result = run("verify.py", tmp_path / "mine")
    assert result.returncode == 1
    assert "data.mdb: is truncated, 9000 of" in result.stdout
    assert result.stderr == "verify.py: 1 of 3 sets are not right, see above\n"


def test_verify_of_nothing_says_what_it_wants():
    result = run("verify.py")
    assert result.returncode == 2
    assert result.stderr == "verify.py: nothing to check: name option files or folders, or --gt, --lq and --scale\n"
    assert run("verify.py", "--gt", "a").stderr == "verify.py: --gt, --lq and --scale go together\n"
