"""Peak memory of one forward pass, in a fresh process.

What counts is what the forward adds: feature maps, the result, libraries' workspaces, weights repacked on the way. What
exists before it does not: Python, torch, the network's weights and the input.

On the CPU the peak is the highest resident memory of the process during the forward above that just before it; a
forward on a small image has loaded the libraries by then. On a GPU it is ``max_memory_allocated`` above the level
before the first forward; three forwards come before the one that counts, so that the choice of algorithms is left out.
A compiled network is compiled before. With CUDA graphs, whose memory lies apart, the capture counts.
"""

import ctypes
import gc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from ssiu_arch.plugins import load_plugins
from ssiu_arch.tools.profile.candidates import Candidate, Prepared, Size
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import is_out_of_memory

SMALL = 16  # side in pixels of the image that loads the libraries
WARMUP = 3
OUT_OF_MEMORY = "out of memory"
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): the highest resident size becomes the present one


@dataclass(frozen=True)
class Peak:
    """Bytes above the level before; None if unknown, with the reason in ``note``."""

    bytes: int | None
    note: str = ""


def in_fresh_process(candidate: Candidate, device: torch.device, size: Size, batch: int, threads: int) -> Peak:
    """The peak of a forward of the candidate.

    Raises:
        UserError: it cannot run. Running out of memory is a result, not an error.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(answer, candidate, device, size, batch, threads).result()
        except BrokenProcessPool:  # as when Linux kills a process that takes too much
            return Peak(None, f"{OUT_OF_MEMORY}, or the process ended for another reason")


def answer(candidate: Candidate, device: torch.device, size: Size, batch: int, threads: int) -> Peak:
    """What the fresh process does, see ``in_fresh_process``."""
    load_plugins()
    torch.set_num_threads(threads)
    try:
        return measure(candidate, device, size, batch)
    except Exception as error:  # a network or a compiler may raise anything
        if is_out_of_memory(error):
            return Peak(None, OUT_OF_MEMORY)
        reason = " ".join(str(error).split()).removeprefix(f"{candidate.name}: ") or type(error).__name__
        raise UserError(f"{candidate.name}: {reason}") from error


def measure(candidate: Candidate, device: torch.device, size: Size, batch: int) -> Peak:
    """The peak of a forward, in this process."""
    prepared = Prepared(candidate, device)
    x = prepared.input(size, batch)
    if device.type == "cuda":
        return device_peak(lambda: prepared(x), device, is_captured=candidate.graphs)
    if candidate.compile:
        prepared(x)
    else:
        with suppress(Exception):  # the network may not take so small an image; then nothing is loaded before
            prepared(prepared.input((min(size[0], SMALL), min(size[1], SMALL)), 1))
    return resident_peak(lambda: prepared(x))


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
