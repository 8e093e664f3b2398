"""PyPI's BasicSR knows one optimiser, Adam; its git repository knows these."""

import inspect
from collections.abc import Iterable
from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours

NAMES = ("Adam", "AdamW", "Adamax", "SGD", "ASGD", "RMSprop", "Rprop")


def _is_needed() -> bool:
    from basicsr.models.base_model import BaseModel

    upstream = BaseModel.get_optimizer
    return not is_ours(upstream) and "AdamW" not in inspect.getsource(upstream)


def _apply() -> None:
    import torch
    from basicsr.models.base_model import BaseModel

    upstream = BaseModel.get_optimizer

    def get_optimizer(self: Any, optim_type: str, params: Iterable, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
        if optim_type in NAMES:
            return getattr(torch.optim, optim_type)(params, lr, **kwargs)
        return upstream(self, optim_type, params, lr, **kwargs)

    BaseModel.get_optimizer = get_optimizer


REPAIR = Repair(
    defect="`optim_g.type: AdamW` ends in optimizer AdamW is not supperted yet",
    upstream="basicsr/models/base_model.py:107",
    until="a release of BasicSR after 1.4.2 (mended in its git repository)",
    is_needed=_is_needed,
    apply=_apply,
)
