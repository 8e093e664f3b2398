"""Latency of several works side by side: they take turns, so that a disturbance of the machine meets all of them."""

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

Work = Callable[[], object]


@dataclass(frozen=True)
class Latency:
    """The runs of one work, in seconds, one a round."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Lower and upper quartile, in seconds."""
        low, _, high = statistics.quantiles([*self.seconds] * (1 + (len(self.seconds) == 1)), method="inclusive")
        return low, high

    def relative_to(self, baseline: "Latency") -> float:
        """The median of the ratios round by round, in which drift of the machine cancels."""
        return statistics.median(a / b for a, b in zip(self.seconds, baseline.seconds, strict=True))


def in_turns(
    works: dict[str, Work], runs: int, warmup: int, tick: Callable[[str], object] = lambda name: None
) -> dict[str, Latency]:
    """Time works round by round, each once a round, in their order: a b c a b c ...

    ``runs`` rounds count, ``warmup`` rounds before them do not. ``tick`` gets a work's name before each of its runs.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(warmup + runs):
        for name, work in works.items():
            tick(name)
            seconds[name].append(seconds_of(work))
    return {name: Latency(all_runs[warmup:]) for name, all_runs in seconds.items()}


def seconds_of(work: Work) -> float:
    """Seconds of wall-clock time; a GPU in use is idle before and after."""
    wait = torch.cuda.synchronize if torch.cuda.is_initialized() else lambda: None
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def machine(device: torch.device) -> str:
    """The name of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    table = Path("/proc/cpuinfo")
    for line in table.read_text().splitlines() if table.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def digits(value: float) -> str:
    """``value`` with three digits or more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
