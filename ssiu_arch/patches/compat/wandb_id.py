"""wandb 0.31 has no ``wandb.util.generate_id``, by which BasicSR names a run."""

import secrets
import string
from importlib import import_module
from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours, replace_everywhere

CHARACTERS = string.ascii_lowercase + string.digits


def generate_id(length: int = 8) -> str:
    """A name as wandb made them: small letters and digits."""
    return "".join(secrets.choice(CHARACTERS) for _ in range(length))


def _is_needed() -> bool:
    from basicsr.utils import logger

    return not is_ours(logger.init_wandb_logger)


def _apply() -> None:
    from basicsr.utils import logger

    upstream = logger.init_wandb_logger

    def init_wandb_logger(opt: dict[str, Any]) -> Any:
        """BasicSR's ``init_wandb_logger``; a wandb that still has the function keeps it."""
        wandb = import_module("wandb")

        if not hasattr(wandb.util, "generate_id"):
            wandb.util.generate_id = generate_id
        return upstream(opt)

    replace_everywhere(upstream, init_wandb_logger)


REPAIR = Repair(
    defect="with `logger.wandb` and wandb 0.31 a run ends in wandb.util has no attribute 'generate_id'",
    upstream="basicsr/utils/logger.py:138",
    until="BasicSR leaves the name to wandb.init",
    is_needed=_is_needed,
    apply=_apply,
)
