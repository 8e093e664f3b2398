"""Resuming needs a CUDA device, looks for states below the wrong folder, and fails at a damaged newest state."""

import logging
import math
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

from ssiu_arch.patches.patch import Function, replaces
from ssiu_arch.patches.states import Options, changes, load_file, load_optimizers, load_state, recorded
from ssiu_arch.utils.errors import UserError

asked: Options = {}  # the options of this run that its states record
resumed: dict[str, Any] = {}  # the state that this run resumes from; empty in a new run


def newest_state(opt: Options) -> tuple[str, dict[str, Any]] | None:
    """The state of the highest iteration in ``path.training_states`` that is intact, and whose weights are.

    Returns:
        The file and what it holds; None if there are no states. Every damaged one is named on stderr.

    Raises:
        UserError: there are states, and none is intact.
    """
    folder = Path(opt["path"]["training_states"])
    files = {int(file.stem): file for file in folder.glob("*.state") if file.stem.isdecimal()}
    for iteration in sorted(files, reverse=True):
        try:
            state = load_state(files[iteration])
            if state["iter"] != iteration:
                raise UserError(f"{files[iteration]} is the state of iteration {state['iter']}")
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


def networks(opt: Options) -> list[str]:
    """The networks that a resumed run loads, such as ``network_g``."""
    ignored = opt["path"].get("ignore_resume_networks") or ()
    return [name for name in opt if name.startswith("network_") and name not in ignored]


def check_weights(opt: Options, iteration: int) -> None:
    """Check that the networks of an iteration are in ``path.models``, from where BasicSR loads them.

    Raises:
        UserError: the file of one is missing or damaged.
    """
    for network in networks(opt):
        load_file(Path(opt["path"]["models"]) / f"net_{network.removeprefix('network_')}_{iteration}.pth")


def rehearse(opt: Options, state: dict[str, Any]) -> None:
    """Resume with networks and optimisers made on the CPU for the purpose, up to a step of the optimisers.

    Models whose ``setup_optimizers`` needs more than the networks are not rehearsed: they fail, if they do, later.

    Raises:
        UserError: the networks or the optimisers of the option file are not those of the state.
    """
    import torch
    from basicsr.utils import logger
    from basicsr.utils.registry import ARCH_REGISTRY, MODEL_REGISTRY

    known = dict(logger.initialized_logger)
    logger.initialized_logger["basicsr"] = True  # else the first message makes a logger without a file
    logging.disable(logging.CRITICAL)
    try:
        kind = MODEL_REGISTRY.get(opt["model_type"])
        model = kind.__new__(kind)
        model.opt, model.is_train, model.device, model.optimizers = deepcopy(opt), True, torch.device("cpu"), []
        for network in networks(opt):
            options, label = dict(opt[network]), network.removeprefix("network_")
            net = ARCH_REGISTRY.get(options.pop("type"))(**options)
            strict = opt["path"].get(f"strict_load_{label}", True)
            model.load_network(net, opt["path"][f"pretrain_{network}"], strict, "params")
            setattr(model, f"net_{label}", net)
        model.setup_optimizers()
    except UserError:
        raise
    except Exception:  # of a model that only its own __init__ can build
        return
    finally:
        logging.disable(logging.NOTSET)
        logger.initialized_logger.clear()
        logger.initialized_logger.update(known)
    load_optimizers(model.optimizers, deepcopy(state["optimizers"]))  # the step below changes the moments in place
    try:
        for optimizer in model.optimizers:
            for parameter in [parameter for group in optimizer.param_groups for parameter in group["params"]]:
                parameter.grad = torch.zeros_like(parameter)
            optimizer.step()
    except Exception as error:
        raise UserError(
            "the state lacks what the optimiser needs with the options below train.optim_* "
            f"({type(error).__name__}: {error}): set them back"
        ) from error


def compared(state: dict[str, Any], new: Options) -> str:
    """A line with every option that changed since the state was saved; empty if none did.

    Raises:
        UserError: the type of an optimiser changed.
    """
    if not isinstance(state.get("options"), dict):
        return "The state does not say which options it was saved with; those of the option file are used."
    changed = changes(state["options"], new)
    for name, values in changed.items():
        if name.startswith("train.optim_") and name.endswith(".type"):
            raise UserError(
                f"{name} ({values}) cannot change in a resumed training, whose state holds the moments of the old one: "
                "set it back, or start a training with another name from the weights (path.pretrain_network_g)"
            )
    listed = ", ".join(f"{name}: {values}" for name, values in changed.items())
    return listed and f"Options changed since the state was saved, the new ones are used: {listed}"


@replaces(
    "basicsr.train:load_resume_state",
    upstream="basicsr/train.py:71 and 85",
    is_needed=lambda load_resume_state: "torch.cuda.current_device()" in load_resume_state,
)
def resume_state(upstream: Function) -> list[Function]:
    """Resuming ends in Found no NVIDIA driver on the CPU; a truncated newest state ends every `--auto_resume`."""

    from basicsr.utils import check_resume

    def load_resume_state(opt: Options) -> dict[str, Any] | None:
        """The state to resume from, None in a new run; raises ``UserError`` before anything is written."""
        resumed.clear()
        named = opt["path"].get("resume_state")
        found = newest_state(opt) if opt["auto_resume"] else (named, load_state(named)) if named else None
        if found is not None:
            opt["path"]["resume_state"], state = found
            if named and Path(named).absolute() != Path(found[0]).absolute():
                print(f"--auto_resume: uses {found[0]}, not path.resume_state ({named})", file=sys.stderr)
            if state["iter"] >= opt["train"].get("total_iter", math.inf):
                print(f"nothing is left to train: iteration {state['iter']} is done; raise total_iter", file=sys.stderr)
            if not opt["auto_resume"]:
                check_weights(opt, state["iter"])
            check_resume(opt, state["iter"])
            opt["path"].update({key: "params" for key in opt["path"] if key.startswith("param_key")})
            given = list(opt)  # BasicSR adds a seed of its own at the end
            if "world_size" in given and given.index("manual_seed") > given.index("world_size"):
                opt["manual_seed"] = state.get("manual_seed") or opt["manual_seed"]
            resumed.update(state, said=compared(state, recorded(opt)))
            rehearse(opt, state)
        asked.clear()
        asked.update(recorded(opt))
        return resumed or None

    return [load_resume_state]
