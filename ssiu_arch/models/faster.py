"""Ways to train faster, or in less memory, that leave names and types of what is saved as they are."""

import functools
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from ssiu_arch.inference.precision import set_tf32
from ssiu_arch.utils.errors import UserError

PRECISIONS = ("fp32", "tf32", "bf16")


def set_precision(precision: str | None) -> None:
    """Turn TF32 on or off for this whole process: the numbers that CUDA multiplies are rounded to 10 bits, or not.

    Args:
        precision: ``fp32``, off for matrix products and for convolutions, where torch has it on of its own accord;
            ``tf32``, on for both; ``bf16`` or None, as torch has it.

    Raises:
        ValueError: it is none of these.
    """
    if precision not in (None, *PRECISIONS):
        raise ValueError(f"precision ({precision!r}) must be one of {', '.join(PRECISIONS)}")
    if precision in ("fp32", "tf32"):
        set_tf32(precision == "tf32")


def autocast(device: torch.device, precision: str | None) -> torch.autocast:
    """A context in which a network computes in bfloat16 what bears it, for ``bf16``; else one that changes nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def attention(device: torch.device, precision: str | None) -> AbstractContextManager:
    """A context, for the forward and the backward pass, in which a network attends by the faster of torch's kernels.

    On a CPU in bfloat16 those are plain products and softmax: the backward pass of the fused kernel takes a fifth of an
    iteration there. Elsewhere torch chooses.
    """
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" and precision == "bf16" else nullcontext()


def layout(train: Mapping[str, Any]) -> torch.memory_format:
    """The memory layout of images, by the options below ``train``."""
    return torch.channels_last if train.get("channels_last") else torch.preserve_format


def prepare(net: nn.Module, train: Mapping[str, Any]) -> nn.Module:
    """Make a network what ``channels_last``, ``checkpointing`` and ``compile`` of the options ask for.

    Returns:
        ``net`` itself, or what ``torch.compile`` wraps it into.

    Raises:
        UserError: ``check`` says why.
    """
    check(net, train)
    if train.get("channels_last"):
        net = net.to(memory_format=torch.channels_last)
    if train.get("checkpointing"):
        recompute_stages(net)
    return compiled(net, train["compile"]) if train.get("compile") else net


def check(net: nn.Module, train: Mapping[str, Any]) -> None:
    """Raise ``UserError`` where ``net`` has no stages to be checkpointed, or torch does not know how to compile so."""
    if train.get("checkpointing") and not isinstance(getattr(net, "stages", None), nn.ModuleList):
        raise UserError(
            f"train.checkpointing (true): {type(net).__name__} has no list of modules named stages: leave it out"
        )
    check_compile("train.compile", train.get("compile"))


def check_compile(where: str, options: Any) -> None:
    """Raise ``UserError`` where torch does not know arguments of ``torch.compile`` that are given at ``where``."""
    if isinstance(options, Mapping):
        try:
            torch.compile(nn.Identity(), **options)
        except Exception as error:  # torch's own for an unknown back end, mode or argument
            raise UserError(f"{where}: {' '.join(str(error).split())[:200]}") from error


def compiled(net: nn.Module, options: Mapping[str, Any] | bool) -> nn.Module:
    """``net`` as ``torch.compile`` wraps it; it is compiled when it first runs, for the size of its images alone."""
    wrapped: Any = torch.compile(net, **{"dynamic": False, **(options if isinstance(options, Mapping) else {})})
    return wrapped


def recompute_stages(net: nn.Module) -> None:
    """Have ``net.stages`` keep their inputs alone for the backward pass, and compute what is inside once more there.

    Their classes are replaced, not their modules: parameters keep their names, and a copy has stages of its own.
    """
    stages: Any = net.stages
    for stage in stages:
        kind: Any = type(stage)
        stage.__class__ = _recomputed(kind)


@functools.cache
def _recomputed(kind: Any) -> Any:
    """A subclass of a stage's class whose forward is a checkpoint."""

    def forward(self: nn.Module, *inputs: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return kind.forward(self, *inputs)
        return checkpoint(kind.forward, self, *inputs, use_reentrant=False)

    return type(kind.__name__, (kind,), {"forward": forward, "__doc__": kind.__doc__, "__module__": kind.__module__})
