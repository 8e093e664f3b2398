"""Several processes: with and without GPUs, while one of them validates, and by ``dist_params`` of the option file."""

from datetime import timedelta
from functools import partial
from typing import Any

from ssiu_arch.patches.patch import Function, replaces

TIMEOUT = 3 * 3600  # seconds that processes wait for one that validates, unless ``dist_params.timeout`` says otherwise

_asked: dict[str, Any] = {}  # ``dist_params`` of the option file


def remember(opt: dict[str, Any]) -> None:
    """Keep ``dist_params`` (``backend``, and ``timeout`` in seconds): BasicSR passes them on for Slurm alone."""
    _asked.clear()
    _asked.update(opt.get("dist_params") or {})


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
