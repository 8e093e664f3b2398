"""``basicsr train``: stops with a state saved on Ctrl-C and on SIGTERM, by which a cluster ends a job."""

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ssiu_arch.cli import pipeline
from ssiu_arch.cli.arguments import place
from ssiu_arch.patches.training.guarded_iterations import Stopped, stop


def run(arguments: list[str]) -> None:
    """Train a network from an option file; see ``pipeline.run``."""
    launcher = pipeline.parser("train").parse_args(arguments).launcher
    with stopping_after_an_iteration(is_alone=(place(launcher)[1] or 1) == 1):
        try:
            pipeline.run("train", arguments)
        except Stopped as stopped:
            resume = " ".join(["basicsr train", *arguments, *["--auto_resume"][: "--auto_resume" not in arguments]])
            print(f"basicsr train: stopped at iteration {stopped}, state saved; resume with: {resume}", file=sys.stderr)
            raise KeyboardInterrupt from stopped
        finally:
            end_workers()


@contextmanager
def stopping_after_an_iteration(is_alone: bool) -> Iterator[None]:
    """Within, the first signal sets ``guarded_iterations.stop``; the second interrupts at once.

    Of several processes, not ``is_alone``, every one is interrupted at once: they would stop at different iterations.
    The newest state counts then.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set() or not is_alone:
            raise KeyboardInterrupt
        stop.set()
        print("\nStopping after this iteration with its state saved; signal again to stop at once", file=sys.stderr)

    stop.clear()
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_workers() -> None:
    """Kill the loaders' workers that are left: they would outlive a failed run by some seconds."""
    if hasattr(signal, "SIGCHLD"):  # torch raises an error when a worker ends; Windows has no such signal
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for worker in multiprocessing.active_children():
        worker.kill()
