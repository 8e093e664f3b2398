"""Resuming asks for a CUDA device where there is none, looks below the wrong folder, and dies of a damaged state."""

import inspect
import sys
from pathlib import Path
from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours, replace_everywhere
from ssiu_arch.utils.errors import UserError

_resumed: dict[str, Any] = {}  # the state that this run goes on from; empty where it starts anew


def resumed_iteration() -> int:
    """The iteration that this run goes on from, 0 where it starts anew."""
    return _resumed.get("iter", 0)


def resume_in_epoch(epoch: int) -> None:
    """Correct the epoch that BasicSR goes on in: another batch size makes another of the same iteration."""
    if _resumed:
        _resumed["epoch"] = epoch


def newest_state(opt: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The state of the highest iteration in ``experiments/NAME/training_states`` that is whole, its weights too.

    Returns:
        The file and what it holds; None where there is no state at all. Every damaged one is named on stderr.

    Raises:
        UserError: there are states, and none of them is whole.
    """
    files = {
        int(file.stem): file for file in Path(opt["path"]["training_states"]).glob("*.state") if file.stem.isdigit()
    }
    for iteration in sorted(files, reverse=True):
        try:
            state = load_state(files[iteration])
            for network in _networks(opt):
                load_file(_weights_of(opt, network, iteration))
        except UserError as error:
            print(f"--auto_resume: passing over iteration {iteration}: {error}", file=sys.stderr)
        else:
            return str(files[iteration]), state
    if files:
        folder = opt["path"]["training_states"]
        raise UserError(
            f"--auto_resume: none of the {len(files)} states in {folder} is whole; move the folder to start anew"
        )
    return None


def _networks(opt: dict[str, Any]) -> list[str]:
    ignored = opt["path"].get("ignore_resume_networks") or ()
    return [name for name in opt if name.startswith("network_") and name not in ignored]


def _weights_of(opt: dict[str, Any], network: str, iteration: int) -> Path:
    return Path(opt["path"]["models"]) / f"net_{network.removeprefix('network_')}_{iteration}.pth"


def load_state(path: str | Path) -> dict[str, Any]:
    """A training state, on the CPU: the optimiser takes its tensors to its own device.

    Raises:
        UserError: the file is missing, damaged, or no training state.
    """
    state = load_file(path)
    if not isinstance(state, dict) or not {"epoch", "iter", "optimizers", "schedulers"} <= state.keys():
        raise UserError(f"{path} is no training state of BasicSR")
    return state


def load_file(path: str | Path) -> Any:
    """What ``torch.save`` wrote, on the CPU.

    Raises:
        UserError: the file is missing or damaged.
    """
    import torch

    if not Path(path).is_file():
        raise UserError(f"{path} is missing")
    try:
        return torch.load(path, map_location="cpu")
    except Exception as error:  # torch raises half a dozen types for a damaged file
        raise UserError(f"{path} is damaged ({(str(error).splitlines() or [type(error).__name__])[0]})") from error


def _is_needed() -> bool:
    from basicsr.train import load_resume_state

    return not is_ours(load_resume_state) and "torch.cuda.current_device()" in inspect.getsource(load_resume_state)


def _apply() -> None:
    from basicsr import train
    from basicsr.utils import check_resume

    def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
        """The state to resume from, or None to start anew."""
        _resumed.clear()
        named = opt["path"].get("resume_state")
        found = newest_state(opt) if opt["auto_resume"] else (named, load_state(named)) if named else None
        if found is None:
            return None
        opt["path"]["resume_state"], state = found
        for network in _networks(opt):  # BasicSR takes them from the folder of the run that this file names
            load_file(_weights_of(opt, network, state["iter"]))
        check_resume(opt, state["iter"])
        opt["path"].update({key: "params" for key in opt["path"] if key.startswith("param_key")})
        opt["manual_seed"] = state.get("manual_seed", opt.get("manual_seed"))
        _resumed.update(state)
        return _resumed

    replace_everywhere(train.load_resume_state, load_resume_state)


REPAIR = Repair(
    defect="resuming ends in Found no NVIDIA driver on the CPU; a truncated newest state ends every `--auto_resume`",
    upstream="basicsr/train.py:71 and 85",
    until="BasicSR loads the state to the CPU and passes over damaged ones",
    is_needed=_is_needed,
    apply=_apply,
)
