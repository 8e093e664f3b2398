"""``basicsr train`` in a process of its own, stopped in time, and how fast it is."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

from benchmarks.train_weights.log import ITERATION
from benchmarks.train_weights.plan import Pace
from ssiu_arch.data.script import users_environment
from ssiu_arch.utils.errors import UserError

GRACE = 60.0  # seconds for the iteration under way, then it is killed: the newest state counts
STOPPED = (130, -signal.SIGINT)


def train(options: Path, *, resume: bool, seconds: float = 1e6, heard: Callable[[str], object] = str) -> bool:
    """Train by an option file in the current folder, at most so long. What it says is passed on.

    Args:
        options: the option file.
        resume: go on from the newest state, where there is one.
        seconds: after which it is told to save its state and stop.
        heard: is called with every line.

    Returns:
        Whether all iterations are done.

    Raises:
        UserError: there is no time, or the training failed.
    """
    if seconds <= 0:
        raise UserError("no time is left to train in; give it more --minutes")
    command = [sys.executable, "-m", "ssiu_arch.cli.main", "train", "-opt", str(options)]
    process = subprocess.Popen(
        [*command, *(["--auto_resume"] if resume else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=users_environment(),  # a script's one thread an image would be the training's only one
    )
    timers = [_later(seconds, process.send_signal, signal.SIGINT), _later(seconds + GRACE, process.kill)]
    try:
        _listen(process, heard)
    except KeyboardInterrupt:  # a terminal sends it to the training, too, which saves its state
        timers.append(_later(GRACE, process.kill))
        _listen(process, heard)
        raise
    finally:
        for timer in timers:
            timer.cancel()
        process.kill()
        code = process.wait()
    if code not in (0, *STOPPED):
        raise UserError(f"basicsr train -opt {options}: ended with exit code {code}, see above; nothing was shipped")
    return code == 0


def _later(seconds: float, action: Callable[..., object], *arguments: object) -> Timer:
    timer = Timer(seconds, action, arguments)
    timer.daemon = True
    timer.start()
    return timer


def _listen(process: "subprocess.Popen[str]", heard: Callable[[str], object]) -> None:
    """Pass on what a process says, until it ends."""
    for line in process.stdout or ():
        print(line, end="", flush=True)
        heard(line)
    process.wait()


def measure(options: Path, iterations: int) -> Pace:
    """Run a trial, an option file of ``for_trial``, and see how fast it is: loader, compilation, validation included.

    Raises:
        UserError: it failed, or did not log its iterations.
    """
    logged: dict[int, float] = {}

    def heard(line: str) -> None:
        found = ITERATION.search(line)
        if found:
            logged[int(found[1].replace(",", ""))] = time.monotonic()

    began = time.monotonic()
    train(options, resume=False, heard=heard)
    ended = time.monotonic()
    return pace(logged, began, ended, iterations)


def pace(logged: dict[int, float], began: float, ended: float, iterations: int) -> Pace:
    """The pace of a trial.

    Args:
        logged: by iteration, when it was logged (s).
        began, ended: when the process was (s).
        iterations: of the trial, the last of which is validated and saved.

    Raises:
        UserError: fewer than two of them were logged, or not the last one.
    """
    if len(logged) < 2 or iterations not in logged:
        raise UserError(f"the trial of {iterations} iterations was cut short; see above")
    first = min(logged)
    rate = (iterations - first) / max(1e-6, logged[iterations] - logged[first])
    return Pace(rate, max(0.0, logged[first] - first / rate - began), ended - logged[iterations])
