"""A training that is killed, interrupted or starved of disk, and goes on: the real pipeline in processes of its own."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

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
    """What a finished run leaves: weights, EMA, and the state of its last save."""
    weights = torch.load(folder / RUN / "models/net_g_latest.pth")
    state = torch.load(folder / RUN / "training_states/12.state")
    return {"weights": weights, "state": {name: value for name, value in state.items() if name != "random"}}


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
    assert start(folder, "datasets:train:num_worker_per_gpu=1").wait(240) == 0, (folder / "log.txt").read_text()[-3000:]
    return folder


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_any_moment_it_ends_as_if_it_never_had_been(whole, place, start, workers):
    """Nor does the number of workers change anything."""
    change = f"datasets:train:num_worker_per_gpu={workers}"
    expected = outcome(whole)
    assert states(whole) == [2, 4, 6, 8, 10, 12]
    assert {int(n) for n, *_ in logged(whole) if n} == set(range(1, 13))

    chance = random.Random(workers)
    for kill in range(KILLS):
        folder = place(f"killed{kill}")
        process = start(folder, change)
        until = chance.choice([0, 1, 2, 3, 4, 5])
        wait_for(lambda: len(states(folder)) >= until, process)  # noqa: B023
        time.sleep(chance.uniform(0, 0.3) if until else chance.uniform(0, 8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        at = states(folder)
        assert start(folder, change).wait(240) == 0, (folder / "log.txt").read_text()[-3000:]
        assert_equal(outcome(folder), expected, f"killed after state {at[-1:]}")
        assert logged(folder) == logged(whole)
        print(f"workers {workers}: killed after state {at[-1:]}, the end is bit-identical")


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
    rates = ("train:optim_g:lr=1e30", "train:scheduler:eta_min=1e30")
    assert start(folder, *rates).wait(120) == 2
    text = (folder / "log.txt").read_text()
    (iteration,) = re.findall(r"^basicsr train: iteration (\d+): l_pix is (?:nan|inf)", text, re.M)
    assert "Traceback" not in text
    assert all(saved < int(iteration) for saved in states(folder))
