"""Multiply-adds of a network, and the peak memory of one forward pass in a fresh process."""

import copy
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ssiu_arch.checks.finding import located
from ssiu_arch.plugins import load_plugins
from ssiu_arch.tools.profile.candidates import Candidate, Prepared, Size
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import device_peak, is_out_of_memory, resident_peak

SMALL = 16  # side in pixels of the image that loads the libraries
OUT_OF_MEMORY = "out of memory"


def multiply_adds(net: nn.Module, shape: tuple[int, ...]) -> int:
    """The multiply-adds of ``net`` on one input of this shape, ``(B, C, H, W)``; each counts as one.

    Convolutions and matrix products count, on the padded input; so do both products of an attention, also inside a
    fused kernel. Elementwise operations, normalisation, softmax and interpolation do not.

    Nothing is computed, unless torch's meta device cannot run the network.

    Raises:
        UserError: the network does not take such an input.
    """
    with suppress(Exception):  # no meta kernel, or data-dependent control flow: compute
        return _count(copy.deepcopy(net).to("meta"), torch.empty(shape, device="meta"))
    batch, _, height, width = shape
    with located(f"cannot run on LR images of {height}x{width}, batch {batch}"):
        return _count(net, torch.rand(shape))


def _count(net: nn.Module, x: torch.Tensor) -> int:
    # torch counts two operations for each multiply-add. It sees both products of an attention in the math backend only.
    with torch.no_grad(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        net(x)
    return counter.get_total_flops() // 2


def peak_memory(candidate: Candidate, device: torch.device, size: Size, batch: int, threads: int) -> int | str:
    """The bytes that a forward of the candidate adds at its peak, measured in a fresh process; or why they are unknown.

    Feature maps, the result, workspaces of the libraries, weights repacked on the way count. Python, torch, the
    network's weights and the input exist before the forward and do not.

    Raises:
        UserError: it cannot run. Running out of memory is a result, not an error.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(in_this_process, candidate, device, size, batch, threads).result()
        except BrokenProcessPool:  # as when Linux kills a process that takes too much
            return f"{OUT_OF_MEMORY}, or the process ended for another reason"


def in_this_process(candidate: Candidate, device: torch.device, size: Size, batch: int, threads: int) -> int | str:
    """What the fresh process answers, see ``peak_memory``."""
    load_plugins()
    torch.set_num_threads(threads)
    try:
        return _peak(candidate, device, size, batch)
    except Exception as error:  # a network or a compiler may raise anything
        if is_out_of_memory(error):
            return OUT_OF_MEMORY
        reason = str(error).removeprefix(f"{candidate.name}: ") or type(error).__name__
        raise UserError(f"{candidate.name}: {reason}") from error


def _peak(candidate: Candidate, device: torch.device, size: Size, batch: int) -> int | str:
    prepared = Prepared(candidate, device)
    x, form = prepared.input(size, batch), candidate.form or {}
    if device.type == "cuda":  # CUDA graphs keep their memory apart, from the capture on: the capture counts
        return device_peak(lambda: prepared(x), device, is_captured="cuda_graphs" in form)
    # What happens once in a process is no part of a forward's memory: compiling, which depends on the size, or else
    # loading the libraries, for which a small image does; one that the network does not take loads nothing.
    if candidate.is_compiled or "compile" in form:
        prepared(x)
    else:
        with suppress(Exception):
            prepared(prepared.input((min(size[0], SMALL), min(size[1], SMALL)), 1))
    peak = resident_peak(lambda: prepared(x))
    return "not available on this system" if peak is None else peak
