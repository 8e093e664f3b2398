"""Multiply-adds of a network.

The convention: one multiply-add is one; convolutions and matrix products count, on the padded input; the two products
of an attention count as such, also where a fused kernel computes them; elementwise operations, normalisation, softmax
and interpolation do not count. torch's ``FlopCounterMode`` counts two for each, its math backend of attention shows it
the products.
"""

import copy

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ssiu_arch.utils.errors import UserError


def multiply_adds(net: nn.Module, shape: tuple[int, ...]) -> int:
    """The multiply-adds of ``net`` on one input of this shape, ``(B, C, H, W)``.

    Nothing is computed, unless the network does things that torch's meta device cannot follow.

    Raises:
        UserError: the network does not take such an input.
    """
    try:
        return _count(copy.deepcopy(net).to("meta"), torch.empty(shape, device="meta"))
    except Exception:  # whatever torch has no meta kernel for
        return _computed(net, shape)


def _computed(net: nn.Module, shape: tuple[int, ...]) -> int:
    """``multiply_adds`` by running the network."""
    try:
        return _count(net, torch.rand(shape))
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        batch, _, height, width = shape
        raise UserError(f"cannot run on LR images of {height}x{width}, batch {batch}: {reason}") from error


def _count(net: nn.Module, x: torch.Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        net(x)
    return counter.get_total_flops() // 2
