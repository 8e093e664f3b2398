"""What a training state holds, and whether it can be resumed with the options of the option file."""

import json
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import zip_damage

RECORDED = ("model_type", "scale", "train", "manual_seed", "num_gpu", "world_size")  # beside datasets.train, network_*
LOADING = ("num_worker_per_gpu", "num_prefetch_queue", "prefetch_mode", "persistent_workers", "pin_memory", "phase")
LATER = {"foreach", "maximize", "capturable", "differentiable", "fused", "decoupled_weight_decay"}  # newer torch's

Options = dict[str, Any]


def random_state() -> dict[str, Any]:
    """The state of Python's, NumPy's and torch's generators, in types that ``torch.load`` accepts by default."""
    import numpy as np
    import torch

    name, keys, *rest = np.random.get_state(legacy=True)
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    numpy = (name, torch.from_numpy(np.asarray(keys).astype("int64")), *rest)
    return {"python": random.getstate(), "numpy": numpy, "torch": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what ``random_state`` returned. CUDA's generators are restored only on as many GPUs."""
    import numpy as np
    import torch

    name, keys, *rest = state["numpy"]
    random.setstate(state["python"])
    np.random.set_state((name, keys.numpy().astype("uint32"), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def _count(value: Any) -> None:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.40} is no whole number")


USES: dict[str, Callable[[Any], object]] = {  # of the entries of a state; raises if a resume could not use one
    "epoch": _count,
    "iter": _count,
    "optimizers": lambda found: [
        (dict(one["state"]), [list.copy(group["params"]) for group in one["param_groups"]]) for one in list.copy(found)
    ],
    "schedulers": lambda found: [dict(one) for one in list.copy(found)],
    "random": set_random_state,
}


def load_state(path: str | Path) -> dict[str, Any]:
    """A training state, on the CPU: the optimiser copies its tensors to its own device.

    Raises:
        UserError: the file is missing, damaged, or not a training state.
    """
    state, before = load_file(path), random_state()
    for name, use in USES.items():
        try:
            if name in state or name != "random":  # which BasicSR's own states lack
                use(state[name])
        except Exception as error:  # whatever values of other types raise
            reason = f"its {name} cannot be used ({type(error).__name__}: {error})"
            raise UserError(f"{path} is not a training state of BasicSR: {reason}") from error
        finally:
            set_random_state(before)
    return state


def load_file(path: str | Path) -> dict[str, Any]:
    """What ``torch.save`` wrote, on the CPU. No code in it is run.

    Raises:
        UserError: the file is missing or damaged.
    """
    from ssiu_arch.weights.reading import read_checkpoint

    damage = zip_damage(path)
    if damage:
        raise UserError(f"{path} is {f'damaged: {damage}' if os.path.isfile(path) else 'missing'}")
    return read_checkpoint(path)


def recorded(opt: Options) -> Options:
    """The options that decide what a training computes, by full name, in plain types that a state can hold."""
    kept = {name: value for name, value in opt.items() if name in RECORDED or name.startswith("network_")}
    data = opt.get("datasets", {}).get("train", {})
    kept["datasets"] = {"train": {name: value for name, value in data.items() if name not in LOADING}}
    return dict(_flat(json.loads(json.dumps(kept, default=str))))


def _flat(options: Options, where: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{where}{name}.")
        else:
            yield f"{where}{name}", value


def changes(old: Options, new: Options) -> dict[str, str]:
    """Every option that differs, by full name, as ``old -> new``."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {name: " -> ".join(str(options.get(name, "not set"))[:80] for options in (old, new)) for name in names}


def load_optimizers(optimizers: Sequence[Any], saved: Sequence[Mapping[str, Any]]) -> None:
    """Load the saved moments into ``optimizers``, which keep the options that they were made with.

    Raises:
        UserError: they are not as many, of another type or for other parameters.
    """
    if len(optimizers) != len(saved):
        raise UserError(f"the state holds {len(saved)} optimisers, the model of the option file has {len(optimizers)}")
    for optimizer, state in zip(optimizers, saved, strict=True):
        kind, groups, merged = type(optimizer).__name__, optimizer.state_dict()["param_groups"], []
        try:
            for old, group in zip(state["param_groups"], groups, strict=True):
                is_adamw = group.get("decoupled_weight_decay", False)  # what tells it from Adam
                if group.keys() - old.keys() - LATER or old.get("decoupled_weight_decay", is_adamw) != is_adamw:
                    raise ValueError("another type of optimiser saved it")
                merged.append({**old, **group, "params": old["params"]})
            optimizer.load_state_dict({"state": state["state"], "param_groups": merged})
            for parameter, moments in optimizer.state.items():  # a fused step would read beyond others
                if any(value.shape != parameter.shape for name, value in moments.items() if "avg" in name):
                    raise ValueError("its moments are of other shapes than the parameters")
        except Exception as error:  # torch raises half a dozen types
            reason = " ".join(str(error).split())
            raise UserError(f"the state does not fit the optimiser {kind} of the option file: {reason}") from error
