"""Distributed training is NCCL on CUDA, ten minutes of patience, and no option file changes that."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from ssiu_arch.patches import option_parsing
from ssiu_arch.patches.patch import Repair, is_ours, replace_everywhere
from ssiu_arch.utils.errors import UserError

BACKENDS = ("nccl", "gloo", "mpi", "ucc")
PATIENCE = 3 * 3600  # seconds that processes wait for one that validates

_asked: dict[str, Any] = {}  # ``dist_params`` of the option file


def remember(opt: dict[str, Any]) -> None:
    """Keep ``dist_params`` (``backend``, ``timeout`` in seconds), which BasicSR reads for Slurm alone, for later.

    Raises:
        UserError: back end or time-out are none.
    """
    asked = opt.get("dist_params") or {}
    if not isinstance(asked, dict):
        raise UserError(f"dist_params ({asked!r}) must hold options of its own: backend, timeout")
    if asked.get("backend") not in (None, *BACKENDS):
        raise UserError(f"dist_params.backend ({asked['backend']!r}) must be one of {', '.join(BACKENDS)}")
    timeout = asked.get("timeout", PATIENCE)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0:
        raise UserError(f"dist_params.timeout ({timeout!r}) must be a number of seconds above 0")
    _asked.clear()
    _asked.update(asked)


@contextmanager
def _patience() -> Iterator[None]:
    """Process groups that are made meanwhile wait as long as the option file says."""
    from torch import distributed

    upstream, wait = distributed.init_process_group, timedelta(seconds=_asked.get("timeout", PATIENCE))
    distributed.init_process_group = functools.partial(upstream, timeout=wait)
    try:
        yield
    finally:
        distributed.init_process_group = upstream


def _is_needed() -> bool:
    from basicsr.utils import dist_util

    return not is_ours(dist_util._init_dist_pytorch)


def _apply() -> None:
    import torch
    from basicsr.models.base_model import BaseModel
    from basicsr.utils import dist_util
    from torch import nn

    init_dist, init_slurm = dist_util._init_dist_pytorch, dist_util._init_dist_slurm
    to_device = BaseModel.model_to_device

    def _init_dist_pytorch(backend: str, **kwargs: Any) -> None:
        """Join the process group that torchrun made room for."""
        cuda = torch.cuda.is_available()
        backend = _asked.get("backend") or (backend if cuda else "gloo")
        with _patience():
            if cuda:
                init_dist(backend, **kwargs)
            else:
                torch.distributed.init_process_group(backend=backend, **kwargs)

    def _init_dist_slurm(backend: str, port: int | None = None, timeout: float = PATIENCE) -> None:
        """Join the process group of a Slurm job; ``timeout`` stands in ``dist_params`` and is remembered."""
        with _patience():
            init_slurm(backend, port)

    def model_to_device(self: Any, net: nn.Module) -> nn.Module:
        """Move a network to the model's device and wrap it for several processes or GPUs.

        Buffers are not sent around before a forward pass: the first process validates alone, and would wait for the
        others to join in.
        """
        if not self.opt["dist"]:
            return to_device(self, net)
        devices = [torch.cuda.current_device()] if self.device.type == "cuda" else None
        unused = self.opt.get("find_unused_parameters", False)
        return nn.parallel.DistributedDataParallel(
            net.to(self.device), device_ids=devices, find_unused_parameters=unused, broadcast_buffers=False
        )

    option_parsing.when_read.append(remember)
    replace_everywhere(init_dist, _init_dist_pytorch)
    replace_everywhere(init_slurm, _init_dist_slurm)
    BaseModel.model_to_device = model_to_device


REPAIR = Repair(
    defect="`--launcher pytorch` needs CUDA; a validation ends by time-out, or by buffers that nobody answers for",
    upstream="basicsr/utils/dist_util.py:24, models/base_model.py:98",
    until="BasicSR takes backend and time-out from the option file",
    is_needed=_is_needed,
    apply=_apply,
)
