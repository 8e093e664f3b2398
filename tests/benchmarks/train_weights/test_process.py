"""The training as a process: here a stand-in that says what BasicSR says, and once a real one."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from benchmarks.train_weights import process
from benchmarks.train_weights.__main__ import main, parser, run
from benchmarks.train_weights.log import read_logs
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import file_hash, read_json, sha256, write_json

STAND_IN = """
import os, sys, time
print("nice", os.nice(0), "group", os.getpgid(0) == os.getpid(), *sys.argv[1:], flush=True)
if "failing.yml" in sys.argv:
    sys.exit("basicsr train: option datasets: is missing")
print("Start training from epoch: 0, iter: 0", flush=True)
time.sleep(60)
"""


def verb(name, *words):
    return run(parser().parse_args([name, "-opt", "toy.yml", *map(str, words)]))


def wait(condition, seconds=120):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, Path("experiments/toy.log").read_text()[-2000:]
        time.sleep(0.05)


@pytest.fixture
def stand_in(place, monkeypatch):
    (place / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.setattr(process, "PROGRAM", "stand_in")


@pytest.fixture(autouse=True)
def ended(monkeypatch):
    """End what a test started."""
    started, popen = [], process.subprocess.Popen

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(process.subprocess, "Popen", start)
    yield started
    for each in started:
        if each.poll() is None:
            os.killpg(each.pid, signal.SIGKILL)
        each.wait()


def said():
    return Path("experiments/toy.log").read_text()


def test_a_process_group_of_its_own_paused_and_resumed(options, folder, stand_in, ended):
    line = verb("start", "--folder", folder)
    (process_,) = ended
    assert f"process {process_.pid}" in line
    assert f"nice 19 group True train -opt toy.yml --auto_resume --force_yml path:pretrain_network_g={folder}" in said()
    assert Path("experiments/toy.pid").read_text().split() == [socket.gethostname(), str(process_.pid)]
    assert "running" in verb("status")
    with pytest.raises(UserError, match="running"):
        verb("start", "--folder", folder)
    verb("pause")
    wait(lambda: "paused" in verb("status"))
    with pytest.raises(UserError, match="paused"):
        verb("start", "--folder", folder)
    verb("resume")
    wait(lambda: "running" in verb("status"))
    assert len(ended) == 1


def test_a_stale_pid_file_is_no_training(options, folder, stand_in):
    pid_file = Path("experiments/toy.pid")
    pid_file.parent.mkdir()
    for pid in (2**22 + 1, os.getpid()):  # no process; the process of another program
        pid_file.write_text(f"{socket.gethostname()} {pid}\n")
        assert process.ENDED in verb("status")
        with pytest.raises(UserError, match="use start"):
            verb("pause")
    verb("start", "--folder", folder)
    assert "running" in verb("status")


def test_another_hosts_training_is_left_alone(options, folder, stand_in, ended):
    Path("experiments").mkdir()
    Path("experiments/toy.pid").write_text("elsewhere 12\n")
    assert "on elsewhere" in verb("status")
    for name in ("start", "pause", "resume"):
        with pytest.raises(UserError, match="elsewhere"):
            verb(name)
    assert not ended


def test_a_failure_at_once_is_told(options, folder, stand_in, place):
    (place / "toy.yml").rename("failing.yml")
    with pytest.raises(UserError, match="exit code 1: basicsr train: option datasets: is missing"):
        run(parser().parse_args(["start", "-opt", "failing.yml", "--folder", str(folder)]))


class TestStart:
    def test_the_shipped_weights_and_the_runs_behind_them(self, options, folder):
        shipped = folder / "SSIU_x4.pth"
        note, words = process.first_weights(options, None, folder)
        assert note == {"start": f"SSIU_x4.pth, sha256 {file_hash(shipped)}", "earlier": 0}
        assert words[1:] == [
            f"path:pretrain_network_g={shipped}",
            "path:param_key_g=params_ema",
            "path:strict_load_g=True",
        ]
        write_json(folder / "SSIU_x4.json", {"sha256": sha256(shipped), "runs": [{}, {}]})
        assert process.first_weights(options, None, folder)[0]["earlier"] == 2

    def test_a_file_its_record_is_another(self, options, folder, networks):
        write_json(folder / "SSIU_x4.json", {"sha256": sha256(folder / "SSIU_x4.pth"), "runs": [{}]})
        note, words = process.first_weights(options, str(networks["bilinear"]), folder)
        assert note == {"start": f"bilinear.pth, sha256 {file_hash(networks['bilinear'])}", "earlier": 0}
        assert f"path:pretrain_network_g={networks['bilinear']}" in words

    def test_another_scale_lends_all_but_its_tail(self, options, folder, networks):
        options["scale"] = 2
        assert "path:strict_load_g=False" in process.first_weights(options, str(networks["bilinear"]), folder)[1]

    def test_the_option_files_own(self, options, folder, networks):
        options["path"]["pretrain_network_g"] = str(networks["bilinear"])
        note, words = process.first_weights(options, None, folder)
        assert (note["start"][:12], words) == ("bilinear.pth", [])

    def test_from_scratch(self, options, folder):
        note, words = process.first_weights(options, "scratch", folder)
        assert (note["start"], words[1:]) == ("from scratch", ["path:pretrain_network_g=none"])

    def test_a_state_needs_no_weights(self, options, folder, stand_in):
        states = Path("experiments/toy/training_states")
        states.mkdir(parents=True)
        (states / "20.state").touch()
        verb("start", "--from", "none.pth")
        assert said().splitlines()[0].endswith("-opt toy.yml --auto_resume")
        assert not Path("experiments/toy.json").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "toy.yml"), ("- 1", "toy.yml"), ("a: [", "toy.yml"), ("{network_g: {type: EDSR}, train: {}}", "EDSR")],
)
def test_an_option_file_that_cannot_be_used(place, text, words):
    if text:
        Path("toy.yml").write_text(text)
    with pytest.raises(UserError, match=words):
        verb("status")


def test_an_error_is_one_line_and_exit_code_2(place, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train_weights", "status", "-opt", "none.yml"])
    assert main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "none.yml" in line


def test_broken_off_it_is_one_training_and_its_weights_are_shipped(options, folder, root, monkeypatch, ended):
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(sys, "argv", ["benchmarks/train_weights/__main__.py", "start", "-opt", "toy.yml"])
    before = (folder / "SSIU_x4.pth").read_bytes()
    verb("pairs", "SunHays80/HR")
    verb("start", "--folder", folder)
    wait(lambda: any(Path("experiments/toy/training_states").glob("*.state")))
    ended[0].terminate()
    ended[0].wait()
    reached = read_logs(Path("experiments/toy"))[-1].iteration
    assert process.ENDED in verb("status")

    verb("start")
    assert "Resuming training from" in said()
    wait(lambda: (rows := read_logs(Path("experiments/toy"))) and rows[-1].iteration >= reached + 5)
    verb("pause")
    assert " of 64,000" in verb("status")
    assert "dB at " in verb("status")

    assert "not shipped" not in verb("ship", "--folder", folder, "--photos", "photos", "--note", "of a test")
    assert (folder / "SSIU_x4.pth").read_bytes() != before
    (facts,) = read_json(folder / "SSIU_x4.json")["runs"]
    assert facts["iterations"] >= 5
    assert facts["start"].startswith("SSIU_x4.pth, sha256 ")
    assert facts["command"] == "python -m benchmarks.train_weights start -opt toy.yml"
