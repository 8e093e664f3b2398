"""The start of a run: how it was launched, and option files written for a GPU where there is none."""

import sys
from typing import Any

from ssiu_arch.patches.patch import Function, replaces


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
    upstream="basicsr/utils/options.py:91, models/base_model.py:18 and 94, data/prefetch_dataloader.py:88",
    is_needed=lambda parse_options: "cuda.is_available" not in parse_options or "--local-rank" not in parse_options,
)
def cpu_only(upstream: Function) -> list[Function]:
    """Without a GPU `num_gpu: 1` ends in Found no NVIDIA driver, `prefetch_mode: cuda` in a CUDA error; started by
    torch.distributed.launch, BasicSR ends in unrecognized arguments: --local-rank=0.
    """

    def parse_options(root_path: str, is_train: bool = True) -> Any:
        """BasicSR's ``parse_options``, its options fit for this machine; accepts ``--local-rank`` too."""
        argv = sys.argv
        sys.argv = [word.replace("-rank", "_rank") if word.startswith("--local-rank") else word for word in argv]
        try:
            opt, args = upstream(root_path, is_train)
        finally:
            sys.argv = argv
        fit_to_cpu(opt)
        return opt, args

    return [parse_options]
