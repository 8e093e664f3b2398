"""Option files written for a GPU do not run without one."""

import sys
from typing import Any

from ssiu_arch.patches import option_parsing
from ssiu_arch.patches.patch import Repair


def fit_to_cpu(opt: dict[str, Any]) -> None:
    """Take back, in place, what only CUDA can do, where there is no CUDA; say so in one line."""
    import torch

    if torch.cuda.is_available():
        return
    changed = []
    if opt["num_gpu"] != 0:
        changed.append(f"num_gpu {opt['num_gpu']} -> 0")
        opt["num_gpu"] = 0
    for phase, dataset in opt["datasets"].items():
        if dataset.get("prefetch_mode") == "cuda":
            changed.append(f"datasets.{phase}.prefetch_mode cuda -> none")
            dataset["prefetch_mode"] = None
        if dataset.get("pin_memory"):
            dataset["pin_memory"] = False
    if changed:
        print(f"No CUDA device here, running on the CPU: {', '.join(changed)}", file=sys.stderr)


def _apply() -> None:
    option_parsing.when_parsed.append(fit_to_cpu)
    option_parsing.wrap()


REPAIR = Repair(
    defect="without a GPU `num_gpu: 1` ends in Found no NVIDIA driver, `prefetch_mode: cuda` in a CUDA error",
    upstream="basicsr/models/base_model.py:18 and 94, data/prefetch_dataloader.py:88",
    until="BasicSR falls back to the CPU",
    is_needed=lambda: fit_to_cpu not in option_parsing.when_parsed,
    apply=_apply,
)
