"""Peak memory of one forward pass, in a fresh process.

What counts is what the forward adds: feature maps, the result, libraries' workspaces, weights repacked on the way. What
exists before it does not: Python, torch, the network's weights and the input.

On a CPU a forward on a small image has loaded the libraries before. A compiled network is compiled before. With CUDA
graphs, whose memory lies apart, the capture counts.
"""

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context

import torch

from ssiu_arch.plugins import load_plugins
from ssiu_arch.tools.profile.candidates import Candidate, Prepared, Size
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import is_out_of_memory
from ssiu_arch.utils.peak_memory import device_peak, resident_peak

SMALL = 16  # side in pixels of the image that loads the libraries
OUT_OF_MEMORY = "out of memory"


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
        return Peak(device_peak(lambda: prepared(x), device, is_captured=candidate.graphs))
    if candidate.compile:
        prepared(x)
    else:
        with suppress(Exception):  # the network may not take so small an image; then nothing is loaded before
            prepared(prepared.input((min(size[0], SMALL), min(size[1], SMALL)), 1))
    peak = resident_peak(lambda: prepared(x))
    return Peak(peak, "this system does not tell it" if peak is None else "")
