"""Distributed training needs CUDA: the NCCL backend and device numbers are written into BasicSR."""

from typing import Any

from ssiu_arch.repairs.repair import Repair, is_ours, replace_everywhere


def _is_needed() -> bool:
    from basicsr.utils import dist_util

    return not is_ours(dist_util._init_dist_pytorch)


def _apply() -> None:
    import torch
    from basicsr.models.base_model import BaseModel
    from basicsr.utils import dist_util
    from torch import nn

    init_dist, to_device = dist_util._init_dist_pytorch, BaseModel.model_to_device

    def _init_dist_pytorch(backend: str, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            init_dist(backend, **kwargs)
        else:
            torch.distributed.init_process_group(backend="gloo", **kwargs)

    def model_to_device(self: Any, net: nn.Module) -> nn.Module:
        if not self.opt["dist"] or self.device.type == "cuda":
            return to_device(self, net)
        unused = self.opt.get("find_unused_parameters", False)
        return nn.parallel.DistributedDataParallel(net.to(self.device), find_unused_parameters=unused)

    replace_everywhere(init_dist, _init_dist_pytorch)
    BaseModel.model_to_device = model_to_device


REPAIR = Repair(
    defect="`--launcher pytorch` on the CPU ends in ZeroDivisionError",
    upstream="basicsr/utils/dist_util.py:24, models/base_model.py:98",
    until="BasicSR chooses the backend by the device",
    is_needed=_is_needed,
    apply=_apply,
)
