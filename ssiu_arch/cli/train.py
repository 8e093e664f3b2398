"""``basicsr train``."""

import multiprocessing
import signal
import sys

from ssiu_arch.cli import pipeline
from ssiu_arch.cli.interrupt import stopping_after_an_iteration
from ssiu_arch.patches.training.guarded_iterations import Stopped


def run(arguments: list[str]) -> None:
    """Train a network from an option file with BasicSR's ``train_pipeline``; see ``pipeline.run``."""
    with stopping_after_an_iteration():
        try:
            pipeline.run("train", "Train a network from an option file, with BasicSR's own train_pipeline.", arguments)
        except Stopped as stopped:
            resume = " ".join(
                ["basicsr train", *arguments, *([] if "--auto_resume" in arguments else ["--auto_resume"])]
            )
            print(
                f"basicsr train: stopped at iteration {stopped}, its state is saved; go on with: {resume}",
                file=sys.stderr,
            )
            raise KeyboardInterrupt from stopped
        finally:
            end_workers()


def end_workers() -> None:
    """End the loaders' workers that are left: by themselves they outlive a run that failed by some seconds."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch raises an error for a worker that ends
    for worker in multiprocessing.active_children():
        worker.kill()
