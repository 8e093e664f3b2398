"""Peak memory of a piece of work, in bytes above the level before it."""

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

WARMUP = 3  # runs before the one that counts on a GPU, so that the choice of algorithms is left out
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def device_peak(work: Callable[[], object], device: torch.device, is_captured: bool) -> int:
    """The highest allocated memory of a GPU during ``work`` above that before its first run.

    The peak of the runs before does not count. With ``is_captured`` it does: CUDA graphs live in what those allocate.
    """
    gc.collect()
    torch.cuda.empty_cache()
    level = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    for _ in range(WARMUP):
        work()
    torch.cuda.synchronize(device)
    if not is_captured:
        torch.cuda.reset_peak_memory_stats(device)
    result = work()
    torch.cuda.synchronize(device)
    del result
    return torch.cuda.max_memory_allocated(device) - level


def resident_peak(work: Callable[[], object]) -> int | None:
    """The highest resident memory of this process during ``work`` above that before it; None without Linux's /proc."""
    gc.collect()
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)  # give freed memory back to the system
    try:
        CLEAR_REFS.write_text("5")  # proc(5): the highest resident size becomes the present one
    except OSError:
        return None
    level = _highest()
    result = work()
    after = _highest()
    del result
    return after - level


def _highest() -> int:
    """The highest resident memory since the last reset, in bytes."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
