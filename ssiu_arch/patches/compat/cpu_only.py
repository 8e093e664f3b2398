"""Option files written for a GPU do not run without one."""

import sys
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source


def fit_to_cpu(opt: dict[str, Any]) -> None:
    """Undo, in place, the options that need CUDA if there is no CUDA device; say so in one line."""
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


@replaces(
    "basicsr.utils.options:parse_options",
    upstream="basicsr/models/base_model.py:18 and 94, data/prefetch_dataloader.py:88",
    is_needed=lambda parse_options: "cuda.is_available" not in source(parse_options),
)
def patch(upstream: Function) -> list[Function]:
    """Without a GPU `num_gpu: 1` ends in Found no NVIDIA driver, `prefetch_mode: cuda` in a CUDA error."""

    def parse_options(root_path: str, is_train: bool = True) -> Any:
        """BasicSR's ``parse_options``, its options fit for this machine."""
        opt, args = upstream(root_path, is_train)
        fit_to_cpu(opt)
        return opt, args

    return [parse_options]
