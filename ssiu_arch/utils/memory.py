"""How much memory there is, and whether it was an error that there was not enough."""

import os
from functools import cache
from pathlib import Path

import torch


def free_memory(device: torch.device, root: Path = Path("/")) -> int:
    """Bytes that can still be allocated on ``device``: on a CPU, of the machine or its container (cgroup v2).

    ``root`` is where ``/proc`` and ``/sys`` are.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    try:
        lines = dict(line.split(":", 1) for line in (root / "proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):  # no Linux
        free = _half_of_all()
    group = root / "sys/fs/cgroup"
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no control group, or its limit is "max"
        return free
    return min(free, limit - used + int(stat.get("inactive_file", 0)))  # files in the cache can go


def _half_of_all() -> int:
    """Half of the machine's memory, in bytes; 4 GiB where the system does not say how much that is."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30


@cache
def keep_freed_memory() -> None:
    """Have the C library keep what is freed for what is allocated next: strips of some megabytes, again and again.

    glibc gives larger blocks back to the system at once, which clears every page of theirs anew: a fifth of the time
    for a small image. What it takes for large grows with the blocks that are freed, up to 32 MiB; this is one of them.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8, device="cpu")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that an allocation failed: ``MemoryError``, CUDA's own, or torch's for the CPU."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    signs = (
        "DefaultCPUAllocator",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: out of memory",
    )
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
