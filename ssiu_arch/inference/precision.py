"""The precision of the optimised form, independent of what the caller has set."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import RLock
from typing import Any

import torch

from ssiu_arch.utils.precisions import PRECISIONS

DTYPES = dict(zip(PRECISIONS, (torch.float32, torch.float32, torch.bfloat16, torch.float16), strict=True))
_switching = RLock()  # held while the switches differ from the caller's; contexts of one thread nest


@contextmanager
def own_precision(device: torch.device, allow_tf32: bool) -> Iterator[None]:
    """Compute without the caller's ``autocast``, and with TF32 as given here."""
    known = torch.amp.is_autocast_available(device.type)
    with torch.autocast(device.type, enabled=False) if known else nullcontext(), tf32(device, allow_tf32):
        yield


@contextmanager
def tf32(device: torch.device, allowed: bool) -> Iterator[None]:
    """Allow or forbid TF32 in products and convolutions on CUDA inside this context; nothing on other devices.

    The switches belong to the process, so one thread at a time is inside, and others wait.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    switches = (torch.backends.cuda.matmul, cudnn.conv)
    with _switching:
        before = [switch.fp32_precision for switch in switches]
        try:
            for switch in switches:
                switch.fp32_precision = "tf32" if allowed else "ieee"
            yield
        finally:
            for switch, old in zip(switches, before, strict=True):
                switch.fp32_precision = old


def set_tf32(allowed: bool) -> None:
    """Allow or forbid TF32 in products and convolutions from here on, in the whole process.

    Set by torch's older interface, which keeps the newer one in step. The reverse is not so, and ``torch.export`` reads
    the older one.
    """
    with _switching:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
