"""Distributed training needs NCCL and CUDA, and may wait for ever while one process validates."""

from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source


@replaces(
    "basicsr.utils.dist_util:_init_dist_pytorch",
    "basicsr.models.base_model:BaseModel.model_to_device",
    upstream="basicsr/utils/dist_util.py:24, models/base_model.py:98",
    is_needed=lambda init, to_device: "gloo" not in source(init) or "broadcast_buffers" not in source(to_device),
)
def patch(init_dist: Function, to_device: Function) -> list[Function]:
    """`--launcher pytorch` needs CUDA; with buffers in the network, the first validation hangs."""

    import torch
    from torch import nn

    def _init_dist_pytorch(backend: str, **kwargs: Any) -> None:
        """Join the process group of torchrun; gloo replaces NCCL where there is no CUDA device."""
        if torch.cuda.is_available():
            init_dist(backend, **kwargs)
        else:
            torch.distributed.init_process_group("gloo" if backend == "nccl" else backend, **kwargs)

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

    return [_init_dist_pytorch, model_to_device]
