"""Distributed training is NCCL on CUDA, ten minutes of patience, and no option file changes that."""

from datetime import timedelta
from typing import Any

from ssiu_arch.repairs import option_parsing
from ssiu_arch.repairs.repair import Repair, is_ours, replace_everywhere

PATIENCE = 3 * 3600  # seconds that processes wait for one that validates

_asked: dict[str, Any] = {}  # ``dist_params`` of the option file


def remember(opt: dict[str, Any]) -> None:
    """Keep ``dist_params`` (``backend``, ``timeout`` in seconds), which BasicSR reads for Slurm alone, for later."""
    _asked.clear()
    _asked.update(opt.get("dist_params") or {})


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
        """Join the process group that torchrun made room for."""
        cuda = torch.cuda.is_available()
        backend = _asked.get("backend") or (backend if cuda else "gloo")
        kwargs["timeout"] = timedelta(seconds=_asked.get("timeout", PATIENCE))
        if cuda:
            init_dist(backend, **kwargs)
        else:
            torch.distributed.init_process_group(backend=backend, **kwargs)

    def model_to_device(self: Any, net: nn.Module) -> nn.Module:
        """Move a network to the model's device and wrap it for several processes or GPUs."""
        if not self.opt["dist"] or self.device.type == "cuda":
            return to_device(self, net)
        unused = self.opt.get("find_unused_parameters", False)
        return nn.parallel.DistributedDataParallel(net.to(self.device), find_unused_parameters=unused)

    option_parsing.when_read.append(remember)
    replace_everywhere(init_dist, _init_dist_pytorch)
    BaseModel.model_to_device = model_to_device


REPAIR = Repair(
    defect="`--launcher pytorch` needs CUDA; a validation of over ten minutes ends the processes that wait for it",
    upstream="basicsr/utils/dist_util.py:24, models/base_model.py:98",
    until="BasicSR takes backend and time-out from the option file",
    is_needed=_is_needed,
    apply=_apply,
)
