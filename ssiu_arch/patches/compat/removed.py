"""What BasicSR uses and current packages have removed."""

import secrets
from importlib import import_module
from typing import Any

from ssiu_arch.patches.patch import Function, RemovedModule, replaces

FUNCTIONAL_TENSOR = RemovedModule(
    name="functional_tensor",
    defect="`import basicsr` ends in No module named 'torchvision.transforms.functional_tensor'.",
    upstream="basicsr/data/degradations.py:8",
    module="torchvision.transforms.functional_tensor",
    replacement="torchvision.transforms.functional",
)
SCIPY_FILTERS = RemovedModule(
    name="scipy_filters",
    defect="With SciPy 2 `import basicsr` ends in No module named 'scipy.ndimage.filters'.",
    upstream="basicsr/metrics/niqe.py:5, data/data_util.py:275",
    module="scipy.ndimage.filters",
    replacement="scipy.ndimage",
)


@replaces(
    "basicsr.utils.logger:init_wandb_logger",
    upstream="basicsr/utils/logger.py:138",
    is_needed=lambda init: "wandb.util.generate_id" in init,
)
def wandb_id(upstream: Function) -> list[Function]:
    """With `logger.wandb` and wandb 0.31 a run ends in wandb.util has no attribute 'generate_id'."""

    def init_wandb_logger(opt: dict[str, Any]) -> Any:
        """BasicSR's ``init_wandb_logger``; a wandb that still has the function keeps it."""
        wandb = import_module("wandb")
        if not hasattr(wandb.util, "generate_id"):
            wandb.util.generate_id = lambda: secrets.token_hex(4)
        return upstream(opt)

    return [init_wandb_logger]
