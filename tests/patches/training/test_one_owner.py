import subprocess
import sys

import basicsr
import pytest

from ssiu_arch.patches.training import folders
from ssiu_arch.utils.errors import UserError

HOLD = """
import sys
from ssiu_arch.patches.training import folders
folders.own({"rank": 0, "path": {"experiments_root": sys.argv[1], "results_root": sys.argv[1]}}, "experiments_root")
print("ready", flush=True)
input()
"""


@pytest.fixture
def other(tmp_path):
    """Another run, of the name ``x``."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "x")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.fixture
def opt(tmp_path):
    path = {"experiments_root": str(tmp_path / "x"), "results_root": str(tmp_path / "x"), "resume_state": None}
    yield {"auto_resume": False, "is_train": False, "rank": 0, "path": path}
    folders._held.close()


@pytest.mark.parametrize("begin", ["load_resume_state", "make_exp_dirs"])
def test_a_second_run_of_a_name_is_refused_before_it_renames_anything(opt, other, tmp_path, begin):
    (tmp_path / "x").mkdir()
    begin = getattr(basicsr.train if begin == "load_resume_state" else basicsr.test, begin)
    with pytest.raises(UserError, match=rf"x is in use by another run \(process {other.pid} on "):
        begin(opt)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".x.lock", "x"]
    other.kill()
    other.wait()
    begin(opt)


@pytest.mark.usefixtures("other")
def test_other_processes_of_a_run_take_no_lock(opt, tmp_path):
    assert basicsr.train.load_resume_state({**opt, "rank": 1}) is None
    other_name = {**opt, "path": {**opt["path"], "experiments_root": str(tmp_path / "y")}}
    assert basicsr.train.load_resume_state(other_name) is None


def test_a_folder_that_cannot_be_archived_is_one_line(opt, tmp_path, monkeypatch):
    monkeypatch.setattr(basicsr.utils.misc, "get_time_str", lambda: "now")
    for name in ("x", "x_archived_now"):
        (tmp_path / name / "models").mkdir(parents=True)
    with pytest.raises(UserError, match="x: cannot be written"):
        basicsr.test.make_exp_dirs(opt)
