"""Free memory, errors of being out of it, and the peak of a piece of work."""

import ctypes
import gc
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

WARMUP = 3  # runs before the one that counts on a GPU, so that the choice of algorithms is left out
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def free_memory(device: torch.device, root: Path = Path("/")) -> int:
    """Bytes that can still be allocated on ``device``; on a CPU within the limit of the container (cgroup v2).

    ``root`` is the folder of ``proc`` and ``sys``.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    try:
        lines = dict(line.split(":", 1) for line in (root / "proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):  # not Linux
        known = "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {})  # else guess: half of 8 GiB
        free = (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if known else 2**33) // 2
    group = root / "sys/fs/cgroup"
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no cgroup, or the limit "max"
        return free
    return min(free, limit - used + int(stat.get("inactive_file", 0)))  # cached files can be dropped


@cache
def keep_freed_memory() -> None:
    """Make glibc reuse freed blocks of some megabytes, such as strips, instead of returning them to the system.

    The system clears every page it hands out again, which costs a fifth of the time for a small image. glibc's limit
    for returning blocks at once rises to the size of the largest block freed, up to 32 MiB: this frees one of 31 MiB.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8, device="cpu")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that an allocation failed: ``MemoryError``, CUDA's own, or torch's for the CPU.

    Inside the capture of a CUDA graph, a failed allocation can invalidate the capture. Torch then reports that alone,
    or raises it on top of the first error, which decides.
    """
    invalidated = "operation failed due to a previous error during capture"
    while invalidated in str(error) and error.__context__ is not None:
        error = error.__context__
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    signs = ("DefaultCPUAllocator", "STATUS_ALLOC_FAILED", "CUDA error: out of memory", invalidated)
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


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
    with suppress(OSError, AttributeError, TypeError):  # only glibc has it; Windows does not take None
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
