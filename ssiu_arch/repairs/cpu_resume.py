"""Resuming a training asks for the current CUDA device, also where there is none, and looks below the wrong folder."""

import inspect
from pathlib import Path
from typing import Any

from ssiu_arch.repairs.repair import Repair, is_ours, replace_everywhere


def newest_state(folder: str) -> str | None:
    """The training state of the highest iteration in ``experiments/<name>/training_states``, if there is any."""
    states = {int(path.stem): path for path in Path(folder).glob("*.state") if path.stem.isdigit()}
    return str(states[max(states)]) if states else None


def _is_needed() -> bool:
    from basicsr.train import load_resume_state

    return not is_ours(load_resume_state) and "torch.cuda.current_device()" in inspect.getsource(load_resume_state)


def _apply() -> None:
    import torch
    from basicsr import train
    from basicsr.utils import check_resume

    def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
        """The state to resume from; its tensors go to the optimiser's device when that takes them over."""
        if opt["auto_resume"]:  # upstream looks below the current folder, whatever the root is
            opt["path"]["resume_state"] = newest_state(opt["path"]["training_states"])
        path = opt["path"].get("resume_state")
        if path is None:
            return None
        state = torch.load(path, map_location="cpu")
        check_resume(opt, state["iter"])
        return state

    replace_everywhere(train.load_resume_state, load_resume_state)


REPAIR = Repair(
    defect="`--auto_resume` and `resume_state` end in Found no NVIDIA driver on the CPU",
    upstream="basicsr/train.py:71 and 85",
    until="BasicSR loads the state to the CPU first",
    is_needed=_is_needed,
    apply=_apply,
)
