"""Several processes: with and without GPUs, while one of them validates, and by ``dist_params`` of the option file."""

import os
import socket
import time
from datetime import timedelta
from functools import partial
from typing import Any

from ssiu_arch.patches.patch import Function, replaces
from ssiu_arch.utils.errors import UserError

TIMEOUT = 3 * 3600  # seconds that processes wait for one that validates, unless ``dist_params.timeout`` says otherwise
PATIENCE = 300  # seconds until the machine of rank 0 must answer, as torch has it where no time-out is given

_asked: dict[str, Any] = {}  # ``dist_params`` of the option file


def remember(opt: dict[str, Any]) -> None:
    """Keep ``dist_params`` (``backend``, and ``timeout`` in seconds): BasicSR passes them on for Slurm alone."""
    _asked.clear()
    _asked.update(opt.get("dist_params") or {})


def reach_master() -> None:
    """Return once ``MASTER_ADDR`` answers, of which rank 0 is sure; ``UserError`` if it is unknown or never does."""
    # torch would try for three times the time-out of a validation, with a C++ stack for each attempt.
    address, port, end = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"], time.monotonic() + PATIENCE
    while True:
        try:
            socket.getaddrinfo(address, port)
            if os.environ["RANK"] != "0":
                socket.create_connection((address, int(port)), timeout=10).close()
            return
        except OSError as error:
            if isinstance(error, socket.gaierror) or time.monotonic() > end:
                said = f"no answer ({error}); name the machine of rank 0"
                raise UserError(f"MASTER_ADDR ({address}), MASTER_PORT ({port}): {said}") from error
            time.sleep(1)


@replaces(
    "basicsr.utils.dist_util:_init_dist_pytorch",
    "basicsr.utils.dist_util:_init_dist_slurm",
    "basicsr.models.base_model:BaseModel.model_to_device",
    upstream="basicsr/utils/dist_util.py:22 and 29, models/base_model.py:98",
    is_needed=lambda pytorch, slurm, to_device: (
        "gloo" not in pytorch or "timeout" not in slurm or "broadcast_buffers" not in to_device
    ),
)
def distributed(pytorch: Function, slurm: Function, to_device: Function) -> list[Function]:
    """`--launcher pytorch` needs CUDA; a validation above ten minutes ends the training, with buffers in the network
    the first one hangs; no option changes backend or time-out.
    """

    import torch
    from torch import nn

    def _init_dist_pytorch(backend: str, **kwargs: Any) -> None:
        """Join the process group of torchrun; gloo replaces NCCL where there is no CUDA device."""
        reach_master()
        backend, wait = _asked.get("backend") or backend, timedelta(seconds=_asked.get("timeout", TIMEOUT))
        if torch.cuda.is_available():
            pytorch(backend, timeout=wait, **kwargs)
        else:
            torch.distributed.init_process_group("gloo" if backend == "nccl" else backend, timeout=wait, **kwargs)

    def _init_dist_slurm(backend: str, port: int | None = None, timeout: float = TIMEOUT) -> None:
        """Join the process group of a Slurm job, whose arguments are ``dist_params``."""
        join, wait = torch.distributed.init_process_group, timedelta(seconds=timeout)
        torch.distributed.init_process_group = partial(join, timeout=wait)
        try:
            slurm(backend, port)
        finally:
            torch.distributed.init_process_group = join

    def model_to_device(self: Any, net: nn.Module) -> nn.Module:
        """Move a network to the model's device and wrap it for several processes or GPUs.

        Buffers are not broadcast before a forward pass: the first process validates alone, and its forward pass would
        wait for the other processes.
        """
        if not self.opt["dist"]:
            return to_device(self, net)
        devices = [torch.cuda.current_device()] if self.device.type == "cuda" else None
        unused = self.opt.get("find_unused_parameters", False)
        return nn.parallel.DistributedDataParallel(
            net.to(self.device), device_ids=devices, find_unused_parameters=unused, broadcast_buffers=False
        )

    return [_init_dist_pytorch, _init_dist_slurm, model_to_device]
