"""The precision of the optimised form, independent of what the caller has set."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from ssiu_arch.utils.precisions import PRECISIONS

DTYPES = dict(zip(PRECISIONS, (torch.float32, torch.float32, torch.bfloat16, torch.float16), strict=True))


@contextmanager
def own_precision(device: torch.device, allow_tf32: bool) -> Iterator[None]:
    """Compute as is told here, whatever ``autocast`` or TF32 the caller has around it."""
    known = torch.amp.is_autocast_available(device.type)
    with torch.autocast(device.type, enabled=False) if known else nullcontext(), tf32(device, allow_tf32):
        yield


@contextmanager
def tf32(device: torch.device, allowed: bool) -> Iterator[None]:
    """Inside this context, let CUDA round the factors of products and convolutions in float32 to 10 bits, or not.

    The switches belong to the process: of several threads on a GPU each may find those of another. On other devices
    they are left alone.
    """
    if device.type != "cuda":
        yield
        return
    switches, name, _ = _switches(allowed)
    before = [getattr(switch, name) for switch in switches]
    try:
        set_tf32(allowed)
        yield
    finally:
        for switch, old in zip(switches, before, strict=True):
            setattr(switch, name, old)


def set_tf32(allowed: bool) -> None:
    """From here on, let CUDA round so in this whole process, or not."""
    switches, name, value = _switches(allowed)
    for switch in switches:
        setattr(switch, name, value)


def _switches(allowed: bool) -> tuple[tuple[Any, ...], str, Any]:
    """Torch's switches for products and for convolutions, the name of what is set, and its value.

    There are older and newer ones, and torch refuses to tell the state of the one after the other was set.
    """
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    if hasattr(matmul, "fp32_precision"):
        return (matmul, cudnn.conv), "fp32_precision", "tf32" if allowed else "ieee"
    return (matmul, cudnn), "allow_tf32", allowed
