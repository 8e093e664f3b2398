"""How far a long run is, on stderr."""

import sys
import time
from collections.abc import Callable
from typing import TextIO


class Progress:
    """Counts steps and says which one is under way: on a terminal in one line, elsewhere in one every few seconds.

    Args:
        total: steps in all.
        stream: where to write; stderr if None.
        clock: seconds.
    """

    EVERY = 5.0  # seconds between lines that are not overwritten

    def __init__(self, total: int, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.done = total, 0
        self.stream, self.clock = stream or sys.stderr, clock
        self.is_terminal = self.stream.isatty()
        self.said_at = self.clock()

    def step(self, what: str) -> None:
        """Begin the next step."""
        self.done += 1
        line = f"[{self.done}/{self.total}] {what}"
        if self.is_terminal:
            self.stream.write(f"\r\x1b[K{line[:100]}")
        elif self.clock() - self.said_at >= self.EVERY:
            self.said_at = self.clock()
            self.stream.write(f"{line}\n")
        self.stream.flush()

    def skip(self, steps: int) -> None:
        """Leave out steps that turned out impossible."""
        self.done += steps

    def end(self) -> None:
        """Leave the line of a terminal empty."""
        if self.is_terminal:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
