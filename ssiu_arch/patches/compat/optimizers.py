"""BasicSR 1.4.2 on PyPI has one optimiser, Adam; its git repository has these."""

from collections.abc import Iterable
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source

NAMES = ("Adam", "AdamW", "Adamax", "SGD", "ASGD", "RMSprop", "Rprop")


@replaces(
    "basicsr.models.base_model:BaseModel.get_optimizer",
    upstream="basicsr/models/base_model.py:107",
    is_needed=lambda get_optimizer: "AdamW" not in source(get_optimizer),
)
def patch(upstream: Function) -> list[Function]:
    """`optim_g.type: AdamW` ends in optimizer AdamW is not supperted yet."""

    import torch

    def get_optimizer(self: Any, optim_type: str, params: Iterable, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
        """BasicSR's ``get_optimizer``, for all of ``NAMES``."""
        if optim_type in NAMES:
            return getattr(torch.optim, optim_type)(params, lr, **kwargs)
        return upstream(self, optim_type, params, lr, **kwargs)

    return [get_optimizer]
