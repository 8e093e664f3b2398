"""Options that make training faster or smaller: TF32, autocast, channels_last, checkpointing, compile.

None of them changes the names, types or shapes in a checkpoint. Losses are copied from the GPU without waiting.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from ssiu_arch.inference.precision import set_tf32
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.precisions import TRAINING_PRECISIONS


def set_precision(precision: str | None) -> None:
    """Switch TF32, which rounds the factors of CUDA products to 10 bits, on or off for the whole process.

    ``fp32`` turns it off for matrix products and convolutions (torch enables the latter by default), ``tf32`` on for
    both. ``bf16`` and None keep torch's settings. Another ``precision`` raises ``ValueError``.
    """
    if precision not in (None, *TRAINING_PRECISIONS):
        raise ValueError(f"precision ({precision!r}) must be one of {', '.join(TRAINING_PRECISIONS)}")
    if precision in ("fp32", "tf32"):
        set_tf32(precision == "tf32")


def autocast(device: torch.device, precision: str | None) -> torch.autocast:
    """Autocast to bfloat16 for ``bf16``, else a no-op."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def attention_kernel(device: torch.device, precision: str | None) -> AbstractContextManager:
    """Select the attention kernel for forward and backward: torch's choice, except in bfloat16 on a CPU.

    There the backward pass of the fused kernel takes a fifth of an iteration; plain products and softmax are faster.
    """
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" and precision == "bf16" else nullcontext()


def memory_format(train: Mapping[str, Any]) -> torch.memory_format:
    """The memory format of images for the options below ``train``."""
    return torch.channels_last if train.get("channels_last") else torch.preserve_format


def prepare(net: nn.Module, train: Mapping[str, Any]) -> nn.Module:
    """Apply the options below ``train`` to ``net``, in place but for ``compile``, which returns a wrapper.

    Raises:
        UserError: the network has no stages to checkpoint, or torch rejects the options of ``compile``.
    """
    if train.get("channels_last"):
        net = net.to(memory_format=torch.channels_last)
    for module in net.modules() if train.get("precision") == "bf16" else []:
        if type(module) is nn.Conv2d and module.padding_mode == "reflect":
            module.__class__ = PadsAsItIs
    if train.get("checkpointing"):
        checkpoint_stages(net)
    return compile_network(net, "train.compile", train["compile"]) if train.get("compile") else net


class PadsAsItIs(nn.Conv2d):
    """A convolution that pads its input in the input's own type, also under autocast.

    On a CPU autocast casts to float32 for reflect padding, and the convolution casts the result back to bfloat16. The
    values are the same; both casts, and those of the backward pass, took a sixth of an iteration.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            padded = F.pad(input, self._reversed_padding_repeated_twice, mode="reflect")
        return F.conv2d(padded, weight, bias, self.stride, 0, self.dilation, self.groups)


def compile_network(net: nn.Module, where: str, options: Mapping[str, Any] | bool) -> nn.Module:
    """Wrap ``net`` in ``torch.compile``, by default for one input size; ``UserError`` if torch rejects ``options``.

    ``where`` they stand in the option file. Compilation happens at the first call.
    """
    try:
        wrapped: Any = torch.compile(net, **{"dynamic": False, **(options if isinstance(options, Mapping) else {})})
    except Exception as error:  # torch raises its own types for an unknown backend, mode or argument
        raise UserError(f"{where}: {' '.join(str(error).split())[:200]}") from error
    return wrapped


def checkpoint_stages(net: nn.Module) -> None:
    """Make each of ``net.stages`` keep only its inputs for the backward pass, which recomputes the rest.

    A stage's class is replaced by a subclass, in place. So parameters keep their names, and a deep copy of the network
    has stages of its own; a wrapper module or a patched bound method would break one or the other.
    """
    stages = getattr(net, "stages", None)
    if not isinstance(stages, nn.ModuleList):
        raise UserError(
            f"train.checkpointing (true): {type(net).__name__} has no list of modules named stages: leave it out"
        )
    for stage in stages:
        kind: Any = type(stage)
        stage.__class__ = _checkpointed(kind)


@functools.cache
def _checkpointed(kind: Any) -> Any:
    """A subclass of ``kind`` whose forward is checkpointed."""

    def forward(self: nn.Module, *inputs: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return kind.forward(self, *inputs)
        return checkpoint(kind.forward, self, *inputs, use_reentrant=False)

    return type(kind.__name__, (kind,), {"forward": forward, "__doc__": kind.__doc__, "__module__": kind.__module__})


class AsyncLosses(Mapping[str, float]):
    """The losses of one iteration by log name; each value is a float.

    On CUDA the copy to the host starts at once, behind the kernels that compute the losses. Reading a loss waits for
    the copy; nothing else blocks. ``values`` has the shape (names,) and lies on any device.
    """

    def __init__(self, names: Iterable[str], values: Tensor) -> None:
        self._index = {name: n for n, name in enumerate(names)}
        self._values = values
        self._copied: torch.cuda.Event | None = None
        if values.is_cuda:
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record()

    def arrived(self) -> bool:
        """Whether the losses can be read without waiting."""
        return self._copied is None or self._copied.query()

    def __getitem__(self, name: str) -> float:
        index = self._index[name]
        if self._copied is not None:
            self._copied.synchronize()
        return self._values[index].item()

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)
