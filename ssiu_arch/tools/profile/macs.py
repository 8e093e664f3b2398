"""Multiply-adds of a network.

One multiply-add counts as one. Convolutions and matrix products count, on the padded input; so do both products of an
attention, also inside a fused kernel. Elementwise operations, normalisation, softmax and interpolation do not. torch's
``FlopCounterMode`` counts; it counts two for each, and its math backend of attention shows it the products.
"""

import copy
from contextlib import suppress

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ssiu_arch.checks.finding import located


def multiply_adds(net: nn.Module, shape: tuple[int, ...]) -> int:
    """The multiply-adds of ``net`` on one input of this shape, ``(B, C, H, W)``.

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
    with torch.no_grad(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        net(x)
    return counter.get_total_flops() // 2
