"""A training that is killed, interrupted or starved of disk, and goes on: the real pipeline in processes of its own."""

import logging
import math
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from basicsr.utils import logger

TRAIN = "options/demo/train_SSIU_x4.yml"
RUN = "experiments/demo_SSIU_x4"
KILLS = int(os.environ.get("SSIU_ARCH_KILLS", 1))  # per number of workers; more than one is for a long evening

SHORT = (  # 12 iterations of 5 a epoch, so that epochs end between, and after a batch that is not whole
    "network_g:num_feat=8",
    "network_g:num_block=3",
    "datasets:train:batch_size_per_gpu=3",
    "datasets:train:gt_size=32",
    "datasets:train:dataset_enlarge_ratio=0.1",
    "train:total_iter=12",
    "train:scheduler:periods=[12]",
    "train:ema_decay=0.9",
    "logger:print_freq=1",
    "logger:save_checkpoint_freq=2",
    "val:val_freq=3",
)


DROPOUT = (  # draws random numbers in every iteration; all ends of epochs are saved
    "model_type=SwinIRModel",
    "network_g={type: SwinIR, upscale: 4, img_size: 8, window_size: 4, embed_dim: 12, depths: [2, 2], "
    "num_heads: [2, 2], mlp_ratio: 2, upsampler: pixelshuffledirect, drop_path_rate: 0.3, drop_rate: 0.1}",
    "train:fft_opt=none",
    "train:total_iter=10",
    "train:scheduler:periods=[10]",
)


@pytest.fixture(scope="module")
def start(root):
    """Start a training and come back at once."""
    running = []

    def run(folder, *changes, resume=True):
        command = [sys.executable, "-m", "ssiu_arch.cli.main", "train", "-opt", TRAIN]
        command += ["--auto_resume"] * resume + ["--force_yml", *SHORT, *changes]
        environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
        with open(folder / "log.txt", "a") as log:
            running.append(
                subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
            )
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def place(tmp_path_factory, demo_data, root):
    def make(name):
        folder = tmp_path_factory.mktemp(name)
        (folder / "datasets").symlink_to(demo_data / "datasets")
        (folder / "options").symlink_to(root / "options")
        return folder

    return make


def outcome(folder):
    """What a finished run leaves: weights, EMA, and the state of its last save, random numbers included."""
    weights = torch.load(folder / RUN / "models/net_g_latest.pth")
    return {"weights": weights, "state": torch.load(folder / RUN / "training_states/10.state")}


def logged(folder):
    """Iterations with their learning rates and losses, and scores with the best ones: what was logged, times left out.

    A set, since what lies between the last state and a kill is logged twice.
    """
    text = (folder / "log.txt").read_text()
    return set(re.findall(r"iter: +(\d+), lr:\(([^)]*)\)\].*?(l_pix.*)|# (psnr: [\d.]+)\tBest: ([\d.]+ @ \d+)", text))


def assert_equal(found, expected, where=""):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_equal(found[key], expected[key], f"{where}/{key}")
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected), where
        for n, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_equal(one, other, f"{where}/{n}")
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected), where
    else:
        assert found == expected, where


def states(folder):
    return sorted(int(path.stem) for path in (folder / RUN / "training_states").glob("*.state"))


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(place, start):
    """A training that nothing interrupts."""
    folder = place("whole")
    changes = (*DROPOUT, "datasets:train:num_worker_per_gpu=1", "logger:save_checkpoint_freq=5")
    assert start(folder, *changes).wait(240) == 0, (folder / "log.txt").read_text()[-3000:]
    return folder


@pytest.mark.parametrize(("workers", "saved"), [(0, 5), (2, 2)])
def test_killed_at_any_moment_it_ends_as_if_it_never_had_been(whole, place, start, workers, saved):
    """Nor does the number of workers change anything, or when a state is saved."""
    changes = (
        *DROPOUT,
        f"datasets:train:num_worker_per_gpu={workers}",
        f"logger:save_checkpoint_freq={saved}",
        f"datasets:train:prefetch_mode={'none' if workers else 'cpu'}",
    )
    expected = outcome(whole)
    assert states(whole) == [5, 10]
    assert {int(n) for n, *_ in logged(whole) if n} == set(range(1, 11))

    chance = random.Random(workers)
    for kill in range(KILLS):
        folder = place(f"killed{kill}")
        process = start(folder, *changes)
        until = chance.choice([0, 1, 2]) if KILLS > 1 else 1
        wait_for(lambda: len(states(folder)) >= until, process)  # noqa: B023
        time.sleep(chance.uniform(0, 0.3) if until else chance.uniform(0, 8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        at = states(folder)
        assert start(folder, *changes).wait(240) == 0, (folder / "log.txt").read_text()[-3000:]
        assert_equal(outcome(folder), expected, f"killed after state {at[-1:]}")
        assert logged(folder) == logged(whole)
        print(f"workers {workers}: killed after state {at[-1:]}, the end is bit-identical")


@pytest.fixture
def resume(whole, tmp_path, monkeypatch, capfd):
    """Resume a copy of the finished training in this process: exit code, and what was said."""
    from ssiu_arch.cli import main as command

    shutil.copytree(whole, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")

    def run(*changes):
        for path in RUN, "log.txt":
            assert os.path.exists(path)
        monkeypatch.setattr(sys, "argv", sys.argv)  # which a run replaces
        logger.initialized_logger.clear()
        logging.getLogger("basicsr").handlers.clear()
        arguments = ["train", "-opt", TRAIN, "--auto_resume", "--force_yml", *SHORT, *DROPOUT, *changes]
        code = command.main(arguments)
        return code, capfd.readouterr().err

    return run


def files(folder):
    """Every file and folder below a folder, with what tells whether it was written; without the lock."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*") if path.suffix != ".lock"}


def test_a_resumed_training_uses_the_new_options_and_says_which(resume):
    code, said = resume("train:total_iter=12", "train:scheduler:periods=[20]", "train:optim_g:lr=1e-4")
    assert code == 0
    assert "train.optim_g.lr: 0.001 -> 0.0001" in said
    assert "train.scheduler.periods: [10] -> [20]" in said
    rate = 1e-6 + (1e-4 - 1e-6) * (1 + math.cos(math.pi * 10 / 20)) / 2
    assert re.search(rf"iter: +11, lr:\({rate:.3e},\)", said)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("train:optim_g:type=Adam", "train.optim_g.type (AdamW -> Adam)"),
        ("network_g:embed_dim=24", "do not fit the network"),
        ("train:optim_g:amsgrad=true", "max_exp_avg_sq"),
    ],
)
def test_what_cannot_change_is_refused_and_nothing_is_written(resume, change, word):
    before = files(Path("experiments"))
    code, said = resume("train:total_iter=12", "train:scheduler:periods=[12]", change)
    assert code == 2
    assert word in said.splitlines()[-1]
    assert files(Path("experiments")) == before


def test_a_second_training_of_the_same_name_is_refused_and_renames_nothing(resume, tmp_path):
    held = "from ssiu_arch.utils.files import locked; from pathlib import Path\nwith locked(Path({!r}), 'x'): input()"
    lock = tmp_path / "copy/experiments/.demo_SSIU_x4.lock"
    with subprocess.Popen([sys.executable, "-c", held.format(str(lock))], stdin=subprocess.PIPE) as other:
        wait_for(lambda: lock.exists() and lock.read_text(), other)
        before = files(Path("experiments"))
        code, said = resume("train:total_iter=12", "train:scheduler:periods=[12]")
        assert code == 2
        assert f"process {other.pid} on {socket.gethostname()}" in said.splitlines()[-1]
        assert files(Path("experiments")) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_saves_a_state_and_says_how_to_go_on(place, start, number):
    """As Ctrl-C and a cluster send it: to the loader's workers too."""
    folder = place("interrupted")
    process = start(
        folder,
        "datasets:train:num_worker_per_gpu=2",
        "logger:save_checkpoint_freq=1000",
        "train:total_iter=100000",
        "train:scheduler:periods=[100000]",
    )
    wait_for(lambda: "iter:       3" in (folder / "log.txt").read_text(), process)
    os.killpg(process.pid, number)
    assert process.wait(60) == 130
    text = (folder / "log.txt").read_text()
    assert "Traceback" not in text
    (iteration,) = re.findall(r"stopped at iteration (\d+), .*: basicsr train -opt .*--auto_resume", text)
    assert states(folder) == [int(iteration)]
    assert int(iteration) >= 3
    if number == signal.SIGTERM:
        return  # what follows is the same

    more = f"train:total_iter={int(iteration) + 2}"
    assert start(folder, more, "train:scheduler:periods=[100000]").wait(120) == 0
    resumed = (folder / "log.txt").read_text()[len(text) :]
    assert f"Resuming training from epoch: {int(iteration) // 5}, iter: {iteration}." in resumed


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_states_from_before(place, start):
    folder = place("nan")
    rates = ("train:optim_g:lr=1e6", "train:scheduler:eta_min=1e6")
    assert start(folder, *rates).wait(120) == 2
    text = (folder / "log.txt").read_text()
    (iteration,) = re.findall(r"^basicsr train: iteration (\d+): l_pix is (?:nan|inf)", text, re.M)
    assert "Traceback" not in text
    assert all(saved < int(iteration) for saved in states(folder))
