"""Metrics computed beside the network: the threads, and the sums BasicSR's validator makes of what is not there yet.

Threads, since OpenCV and NumPy release the interpreter's lock while they compute and images need not be copied to
another process; ``benchmarks/validation.py`` compares.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

MOST_BY_DEFAULT = 4  # SSIM holds a dozen float64 planes of its image: about 100 MB a megapixel and worker
QUEUED = 4  # tasks a worker may be behind, each of which holds its images, before the network waits


def default_workers() -> int:
    """As many workers as this process has cores, up to 4."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_BY_DEFAULT)


class Workers:
    """``count`` threads to compute scores on; with 0 everything is computed at once, where it is asked for.

    A context manager: leaving it waits for what is running, and after an exception drops what is not.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="metric") if count else None
        self._room = threading.Semaphore(QUEUED * count)
        self._failure: BaseException | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=error is not None)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Call ``function`` on a worker; wait first while all of them are far behind.

        Raises:
            Exception: What an earlier call raised: a long validation is not finished for nothing.
        """
        if self._pool is None:
            done: Future[Any] = Future()
            done.set_result(function(*arguments))
            return done
        self._room.acquire()
        if self._failure is not None:
            raise self._failure
        future = self._pool.submit(function, *arguments)
        future.add_done_callback(self._finished)
        return future

    def _finished(self, future: "Future[Any]") -> None:
        if not future.cancelled():
            self._failure = self._failure or future.exception()
        self._room.release()


class Pending:
    """A sum of numbers that are still being computed. It grows by ``+``; dividing it waits for them.

    BasicSR's validator does ``total += score`` for every image and ``total /= count`` once, after the last. The sum is
    made in the same order from the same numbers, so that it is the same to the last digit.
    """

    def __init__(self, start: float, score: Callable[[], float]) -> None:
        self._start = start
        self._scores = [score]

    def __radd__(self, start: float) -> "Pending":
        return Pending(start + self._start, self._scores[0])

    def __iadd__(self, other: "Pending") -> "Pending":
        self._scores += other._scores
        return self

    def __truediv__(self, count: float) -> float:
        total = self._start
        for score in self._scores:
            total += score()
        return total / count
