"""Resuming needs a CUDA device, looks for states below the wrong folder, and fails at a damaged newest state."""

import sys
from pathlib import Path
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.utils.errors import UserError

_resumed: dict[str, Any] = {}  # the state that this run resumes from; empty in a new run


def resumed_iteration() -> int:
    """The iteration that this run resumes from, 0 in a new run."""
    return _resumed.get("iter", 0)


def resume_in_epoch(epoch: int) -> None:
    """Correct the epoch that BasicSR resumes in: with another batch size it is another one at the same iteration."""
    if _resumed:
        _resumed["epoch"] = epoch


def newest_state(opt: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The state of the highest iteration in ``path.training_states`` that is intact, and whose weights are.

    Returns:
        The file and what it holds; None if there are no states. Every damaged one is named on stderr.

    Raises:
        UserError: there are states, and none is intact.
    """
    folder = Path(opt["path"]["training_states"])
    files = {int(file.stem): file for file in folder.glob("*.state") if file.stem.isdigit()}
    for iteration in sorted(files, reverse=True):
        try:
            state = load_state(files[iteration])
            check_weights(opt, iteration)
        except UserError as error:
            print(f"--auto_resume: skipping iteration {iteration}: {error}", file=sys.stderr)
        else:
            return str(files[iteration]), state
    if files:
        raise UserError(
            f"--auto_resume: none of the {len(files)} states in {folder} is intact; move the folder to start anew"
        )
    return None


def check_weights(opt: dict[str, Any], iteration: int) -> None:
    """Check that the networks of an iteration are in ``path.models``, from where BasicSR loads them.

    Raises:
        UserError: the file of one is missing or damaged.
    """
    ignored = opt["path"].get("ignore_resume_networks") or ()
    for network in [name for name in opt if name.startswith("network_") and name not in ignored]:
        load_file(Path(opt["path"]["models"]) / f"net_{network.removeprefix('network_')}_{iteration}.pth")


def load_state(path: str | Path) -> dict[str, Any]:
    """A training state, on the CPU: the optimiser copies its tensors to its own device.

    Raises:
        UserError: the file is missing, damaged, or not a training state.
    """
    state = load_file(path)
    if not isinstance(state, dict) or not {"epoch", "iter", "optimizers", "schedulers"} <= state.keys():
        raise UserError(f"{path} is not a training state of BasicSR")
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


@replaces(
    "basicsr.train:load_resume_state",
    upstream="basicsr/train.py:71 and 85",
    is_needed=lambda load_resume_state: "torch.cuda.current_device()" in source(load_resume_state),
)
def patch(upstream: Function) -> list[Function]:
    """Resuming ends in Found no NVIDIA driver on the CPU; a truncated newest state ends every `--auto_resume`."""

    from basicsr.utils import check_resume

    def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
        """The state to resume from, or None in a new run."""
        _resumed.clear()
        named = opt["path"].get("resume_state")
        found = newest_state(opt) if opt["auto_resume"] else (named, load_state(named)) if named else None
        if found is None:
            return None
        opt["path"]["resume_state"], state = found
        check_weights(opt, state["iter"])
        check_resume(opt, state["iter"])
        opt["path"].update({key: "params" for key in opt["path"] if key.startswith("param_key")})
        opt["manual_seed"] = state.get("manual_seed", opt.get("manual_seed"))
        _resumed.update(state)
        return _resumed

    return [load_resume_state]
