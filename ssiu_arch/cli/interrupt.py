"""Ctrl-C, and the signal by which a cluster asks a job to end, save a state before they stop a training."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ssiu_arch.patches.training.guarded_iterations import stop

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping_after_an_iteration() -> Iterator[None]:
    """Within, the first signal sets ``guarded_iterations.stop``; the second interrupts at once.

    Of several processes the first one does: what counts there is the newest state.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set() or int(os.environ.get("WORLD_SIZE", 1)) > 1:  # processes would stop at different iterations
            raise KeyboardInterrupt
        stop.set()
        print("\nStopping after this iteration, with its state saved; once more to stop at once", file=sys.stderr)

    stop.clear()
    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
