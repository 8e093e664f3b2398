"""The highest resident memory of this process while something runs."""

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): the highest resident size becomes the present one


@dataclass(frozen=True)
class Peak:
    """Bytes above the level before; None where they cannot be told, for the reason in ``note``."""

    bytes: int | None
    note: str = ""


def resident_peak(work: Callable[[], object]) -> Peak:
    """The highest resident memory of this process during ``work`` above that before it.

    Linux can forget an earlier peak. Where it refuses to, the highest of the process' life has to do: right unless an
    earlier peak was higher, which is then said instead of a number.
    """
    gc.collect()
    _give_back_freed_memory()
    if not STATUS.exists():
        return Peak(None, "memory of a process is read from /proc, which this system does not have")
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


def _give_back_freed_memory() -> None:
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)
