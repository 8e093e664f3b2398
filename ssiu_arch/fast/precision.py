"""What the fast form computes in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

PRECISIONS = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@contextmanager
def own_precision(device: torch.device, allow_tf32: bool) -> Iterator[None]:
    """Compute as is told here, whatever ``autocast`` or TF32 the caller has around it."""
    with torch.autocast(device.type, enabled=False), tf32(allow_tf32):
        yield


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Inside this context, let CUDA round the factors of products and convolutions in float32 to 10 bits, or not."""
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = allowed
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value
