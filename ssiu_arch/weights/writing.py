"""Writing the weights of an SSIU in each file format."""

import io
import json
from collections.abc import Callable
from typing import Any

import torch

from ssiu_arch.archs.ssiu_arch import RELEASED_NAMES
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights.reading import SAFETENSORS, StateDict
from ssiu_arch.weights.ssiu import Weights, set_name

MOST_OF_HALF = torch.finfo(torch.float16).max


def as_bytes(weights: Weights, suffix: str) -> bytes:
    """The bytes of a file in the format of ``suffix``, one of ``FORMATS``. Equal weights give equal bytes."""
    tensors = {name: value.clone(memory_format=torch.contiguous_format) for name, value in weights.tensors.items()}
    return FORMATS[suffix](Weights(tensors, weights.options, weights.key))


def halved(weights: StateDict) -> tuple[StateDict, float]:
    """The weights rounded to float16, and the largest absolute change of a value.

    Raises:
        UserError: a value exceeds the range of float16.
    """
    rounded, largest = {}, 0.0
    for name, value in weights.items():
        rounded[name] = value.half()
        finite = value.isfinite()
        if not rounded[name][finite].isfinite().all():
            top = value[finite].abs().max().item()
            raise UserError(f"--half: {name} holds {top:.4g}, beyond float16 ({MOST_OF_HALF:.0f}); leave --half out")
        change = (rounded[name].double() - value.double())[finite].abs()
        largest = max(largest, change.max().item() if len(change) else 0.0)
    return rounded, largest


def released_names(weights: StateDict) -> StateDict:
    """The weights of an SSIU by the names in the authors' files, in the same order: undoes ``rename_released``."""
    renamed = {}
    for name, value in weights.items():
        for theirs, ours in reversed(RELEASED_NAMES):
            name = name.replace(ours, theirs)
        renamed[f"module.{name}"] = value
    return renamed


def _released(weights: Weights) -> bytes:
    """The authors' format; its entries for optimiser, scheduler and statistics are empty."""
    return _torch_bytes(
        {
            "epoch": 0,
            "model_state_dict": released_names(weights.tensors),
            "optimizer_state_dict": {"state": {}, "param_groups": []},
            "scheduler_state_dict": {},
            "stat_dict": {},
        }
    )


def _basicsr(weights: Weights) -> bytes:
    """Both sets that BasicSR looks for, with the same tensors, which torch stores once."""
    return _torch_bytes({"params": weights.tensors, "params_ema": weights.tensors})


def _safetensors(weights: Weights) -> bytes:
    from safetensors.torch import save

    options = {name: json.dumps(value) for name, value in weights.options.items()}
    source = {} if weights.key is None else {"set": set_name(weights.key)}
    return _in_order(save(weights.tensors, {"format": "pt", "architecture": "SSIU", **options, **source}))


def _in_order(data: bytes) -> bytes:
    """A safetensors file with sorted metadata; the library writes it in random order."""
    end = 8 + int.from_bytes(data[:8], "little")  # of the header, in JSON, padded by spaces
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return data[:8] + text.ljust(end - 8) + data[end:]


def _torch_bytes(held: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(held, buffer)
    return buffer.getvalue()


FORMATS: dict[str, Callable[[Weights], bytes]] = {".pt": _released, ".pth": _basicsr, SAFETENSORS: _safetensors}
