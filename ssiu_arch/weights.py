"""Weight files: what they hold, and which network it fits."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ssiu_arch.errors import UserError

if TYPE_CHECKING:
    from ssiu_arch.archs.ssiu_arch import SSIU

StateDict = dict[str, Tensor]
SETS = ("params_ema", "params", "model_state_dict")  # of weights in a checkpoint: BasicSR's, the authors'


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Everything a checkpoint holds, on the CPU.

    Raises:
        UserError: there is no such file, or torch cannot read it, or it holds more than tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"weights {path}: no such file")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for a damaged file
        if "Unsupported global" in str(error) or "Unsupported class" in str(error):
            raise UserError(
                f"weights {path}: holds Python objects besides tensors, which torch refuses to load since they can "
                "run code; save the tensors alone with torch.save"
            ) from error
        raise UserError(
            f"weights {path}: unreadable, damaged or no file of torch.save ({_first_line(error)})"
        ) from error
    if not isinstance(held, dict):
        raise UserError(f"weights {path}: holds a {type(held).__name__}, not a dict of tensors")
    return held


def read_state_dict(path: str | Path, param_key: str | None) -> StateDict:
    """The weights that ``load_network`` takes from ``path``; ``module.`` and a compiled one's ``_orig_mod.`` removed.

    Args:
        path: the checkpoint.
        param_key: ``param_key_g`` of the option file; ``params`` stands in where the key is missing, None is the root.

    Raises:
        UserError: as ``read_checkpoint``; or the key is missing.
    """
    held = read_checkpoint(path)
    if param_key is not None:
        if param_key not in held and "params" in held:
            param_key = "params"
        if param_key not in held:
            if all(isinstance(value, Tensor) for value in held.values()):
                hint = "its tensors stand at the root: write path.param_key_g: ~"
            else:
                hint = f"it holds {', '.join(map(str, held))}: name one of them in path.param_key_g"
            raise UserError(f"weights {path}: no {param_key!r} in it; {hint}")
        held = held[param_key]
    return {name.removeprefix("module.").removeprefix("_orig_mod."): value for name, value in held.items()}


def read_ssiu(path: str | Path, key: str | None = None) -> tuple[StateDict, dict[str, Any]]:
    """The weights of an SSIU under our names, and the arguments of ``SSIU`` they were made for.

    Args:
        path: a checkpoint of BasicSR, or one as the authors released.
        key: which of the sets of weights in the file; None: the first there is of ``SETS``, else the root.

    Raises:
        UserError: as ``read_checkpoint``; or there is no such set, or it holds the weights of no SSIU.
    """
    from ssiu_arch.archs.ssiu_arch import SSIU, rename_released

    held = read_checkpoint(path)
    if key is None:
        key = next((name for name in SETS if name in held), None)
    elif key not in held:
        raise UserError(f"weights {path}: no {key!r} in it; it holds {', '.join(map(str, held))}")
    found = held if key is None else held[key]
    weights = {name.removeprefix("module.").removeprefix("_orig_mod."): value for name, value in found.items()}
    rename_released(weights)
    options = ssiu_options(weights)
    if options is None:
        raise UserError(f"weights {path}: are no SSIU's; it holds {', '.join(map(str, list(found)[:3]))}, ...")
    try:
        with torch.device("meta"):
            SSIU(**options).load_state_dict(weights, assign=True)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"weights {path}: look like an SSIU's but do not fit one: {_first_line(error)}") from error
    return weights, options


def load(path: str | Path, key: str | None = None) -> "SSIU":
    """The network whose weights are in ``path``, ready for use: scale, width and depth are read from the weights.

    Args:
        path, key: see ``read_ssiu``.

    Returns:
        An ``SSIU`` on the CPU, float32, in evaluation mode: ``(B, 3, h, w)`` in [0, 1] to ``(B, 3, s*h, s*w)``. Its
        fast form is ``fuse(load(path))``.

    Raises:
        UserError: see ``read_ssiu``.
    """
    from ssiu_arch.archs.ssiu_arch import SSIU

    weights, options = read_ssiu(path, key)
    net = SSIU(**options)
    net.load_state_dict(weights)
    return net.eval()


def ssiu_options(state_dict: StateDict) -> dict[str, Any] | None:
    """The arguments of ``SSIU`` for which weights were made, read from names and shapes; None if they are not SSIU's.

    Args:
        state_dict: weights under our names (``rename_released`` gives them).
    """
    try:
        head, tail = state_dict["head.weight"], state_dict["tail.0.weight"]
        rel_h = state_dict["stages.0.attention.rel_h"]
    except KeyError:
        return None
    num_feat, num_in_ch = head.shape[:2]
    factor = round((tail.shape[0] / num_feat) ** 0.5)
    return {
        "upscale": factor**2 if "tail.6.weight" in state_dict else factor,
        "num_in_ch": num_in_ch,
        "num_feat": num_feat,
        "num_block": 1 + max(int(name.split(".")[1]) for name in state_dict if name.startswith("stages.")),
        "num_head": num_feat // (2 * rel_h.shape[-1]),
        "sparse_attention": "stages.0.attention.dw.weight" in state_dict,
        "feature_selector": "selector.fuse.weight" in state_dict,
    }


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
