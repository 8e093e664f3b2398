"""Peak memory of a piece of work: resident memory of this process, or allocated memory of a GPU."""

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

WARMUP = 3  # runs before the one that counts on a GPU, so that the choice of algorithms is left out
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): the highest resident size becomes the present one


@dataclass(frozen=True)
class Peak:
    """Bytes above the level before; None if unknown, with the reason in ``note``."""

    bytes: int | None
    note: str = ""


def device_peak(work: Callable[[], object], device: torch.device, is_captured: bool) -> Peak:
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
    return Peak(torch.cuda.max_memory_allocated(device) - level)


def resident_peak(work: Callable[[], object]) -> Peak:
    """The highest resident memory of this process during ``work`` above that before it.

    Linux can reset the peak (``VmHWM``). Where it refuses, the peak since the process started stands in. It is right
    unless an earlier peak was higher; then there is a note instead of a number.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)  # give freed memory back to the system
    if not STATUS.exists():
        return Peak(None, "needs /proc, which this system does not have")
    try:
        CLEAR_REFS.write_text(RESET_PEAK)
    except OSError:
        level = _status("VmRSS")
    else:
        level = _status("VmHWM")
    before = _status("VmHWM")
    result = work()
    after = _status("VmHWM")
    del result
    if level < before == after:
        hidden = f"{(before - level) / 1e6:.0f} MB"
        return Peak(None, f"below an earlier peak of {hidden}, which this system does not let us reset")
    return Peak(after - level)


def _status(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
