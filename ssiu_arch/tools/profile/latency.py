"""How long things take beside each other: in turns, so that whatever disturbs the machine meets them all."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ssiu_arch.inference.product import product

Work = Callable[[], object]
Stopwatch = Callable[[Work], float]  # does the work, gives its seconds


@dataclass(frozen=True)
class Latency:
    """The runs of one candidate, in seconds; the n-th is from the n-th round."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Seconds below which a quarter, and three quarters, of the runs are."""
        if len(self.seconds) == 1:
            return self.seconds[0], self.seconds[0]
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high

    def relative_to(self, baseline: "Latency") -> float:
        """The median over the rounds of this time by the baseline's in the same round: drift cancels out."""
        return statistics.median(a / b for a, b in zip(self.seconds, baseline.seconds, strict=True))


def in_turns(
    works: dict[str, Work],
    runs: int,
    warmup: int,
    stopwatch: Stopwatch,
    tick: Callable[[str], None] = lambda name: None,
) -> dict[str, Latency]:
    """Time works round by round, each once a round, in their order: a b c a b c ...

    Args:
        works: by name.
        runs: rounds that count.
        warmup: rounds before them that do not.
        stopwatch: times one run.
        tick: is told a work's name before each of its runs.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(warmup + runs):
        for name, work in works.items():
            tick(name)
            seconds[name].append(stopwatch(work))
    return {name: Latency(all_runs[warmup:]) for name, all_runs in seconds.items()}


def by_host_clock(work: Work) -> float:
    """Seconds of wall-clock time."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def by_device_events(work: Work) -> float:
    """Seconds between two events on the current CUDA stream, with the GPU idle before the first."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000


class MatrixProduct:
    """A product of a square matrix with another one transposed, random, large enough to show what the machine can do.

    Args:
        by: one of ``WAYS``: torch's own, which has MKL on most CPUs, or that of the fast form, which has oneDNN. Which
            of them is quicker depends on the maker of the CPU, and by how much: up to twice.
        dtype: of the matrices.
        device: where they are.
        stopwatch: sizes them: the side doubles until a product takes a while.
    """

    WAYS: ClassVar[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
        "torch.mm": lambda a, b: torch.mm(a, b.t()),
        "ssiu_arch.inference.product": product,
    }

    def __init__(self, by: str, dtype: torch.dtype, device: torch.device, stopwatch: Stopwatch) -> None:
        self.by, self.multiply = by, self.WAYS[by]
        a_while = 0.002 if device.type == "cuda" else 0.02  # seconds
        for side in (256, 512, 1024, 2048, 4096, 8192):
            self.side = side
            self.a = (torch.rand(side, side) - 0.5).to(device, dtype)
            self.b = (torch.rand(side, side) - 0.5).to(device, dtype)
            stopwatch(self)
            if stopwatch(self) >= a_while:
                break

    @property
    def operations(self) -> int:
        """Floating-point operations of a product: two for each multiply-add."""
        return 2 * self.side**3

    def __call__(self) -> Tensor:
        return self.multiply(self.a, self.b)
