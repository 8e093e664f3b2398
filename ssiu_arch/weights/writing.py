"""Writing the weights of an SSIU in each file format."""

import io
from typing import Any

import torch

from ssiu_arch.archs.ssiu_arch import RELEASED_NAMES
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights.reading import SAFETENSORS, StateDict

FORMATS = (".pt", ".pth", SAFETENSORS)


def as_bytes(weights: StateDict, suffix: str) -> bytes:
    """The bytes of a file in the format of ``suffix``, one of ``FORMATS``. Equal weights give equal bytes."""
    tensors = {name: value.clone(memory_format=torch.contiguous_format) for name, value in weights.items()}
    if suffix == SAFETENSORS:
        from safetensors.torch import save

        return save(tensors, {"format": "pt"})  # one entry: the library writes several in random order
    held: dict[str, Any] = {"params": tensors, "params_ema": tensors}  # BasicSR looks for both; stored once
    if suffix == ".pt":  # as the authors' files, without what only a training needs
        held = {"epoch": 0, "model_state_dict": released_names(tensors), "scheduler_state_dict": {}, "stat_dict": {}}
        held["optimizer_state_dict"] = {"state": {}, "param_groups": []}
    buffer = io.BytesIO()
    torch.save(held, buffer)
    return buffer.getvalue()


def halved(weights: StateDict) -> StateDict:
    """The weights rounded to float16; ``UserError`` if a value exceeds its range."""
    rounded = {name: value.half() for name, value in weights.items()}
    for name, value in weights.items():
        if not torch.equal(rounded[name].isfinite(), value.isfinite()):
            top = value[value.isfinite()].abs().max()
            raise UserError(f"--half: {name} holds {top:.4g}, more than float16's 65504; leave --half out")
    return rounded


def released_names(weights: StateDict) -> StateDict:
    """The weights of an SSIU by the names in the authors' files, in the same order: undoes ``rename_released``."""
    renamed = {}
    for name, value in weights.items():
        for theirs, ours in reversed(RELEASED_NAMES):
            name = name.replace(ours, theirs)
        renamed[f"module.{name}"] = value
    return renamed
