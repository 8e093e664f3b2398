"""wandb 0.31 has no ``wandb.util.generate_id``, which BasicSR calls to name a run."""

import secrets
from importlib import import_module
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source


@replaces(
    "basicsr.utils.logger:init_wandb_logger",
    upstream="basicsr/utils/logger.py:138",
    is_needed=lambda init: "wandb.util.generate_id" in source(init),
)
def patch(upstream: Function) -> list[Function]:
    """With `logger.wandb` and wandb 0.31 a run ends in wandb.util has no attribute 'generate_id'."""

    def init_wandb_logger(opt: dict[str, Any]) -> Any:
        """BasicSR's ``init_wandb_logger``; a wandb that still has the function keeps it."""
        wandb = import_module("wandb")
        if not hasattr(wandb.util, "generate_id"):
            wandb.util.generate_id = lambda: secrets.token_hex(4)
        return upstream(opt)

    return [init_wandb_logger]
