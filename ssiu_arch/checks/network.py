"""The network of an option file: its arguments, its size, and whether the pretrained weights fit it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from ssiu_arch.archs.ssiu_arch import SSIU, reflect_to_multiple, rename_released
from ssiu_arch.checks.finding import located
from ssiu_arch.checks.options import check_arguments, check_types
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.option_yaml import load
from ssiu_arch.weights import StateDict, read_state_dict, ssiu_options
from ssiu_arch.weights.reading import misfit

MOST_PARAMETERS, MOST_TENSORS = 10**9, 10**5


def build(opt: dict[str, Any]) -> nn.Module:
    """Build ``network_g`` on the CPU.

    Raises:
        UserError: an argument is unknown, missing or rejected by the network.
    """
    from basicsr.utils.registry import ARCH_REGISTRY

    arguments = dict(opt["network_g"])
    name = arguments.pop("type")
    arch = ARCH_REGISTRY.get(name)
    check_arguments("network_g", arch, arguments)
    with located(f"network_g: {name} cannot be built"), limited_size():
        return arch(**arguments)


@contextmanager
def limited_size() -> Iterator[None]:
    """Raise ``ValueError`` once a network under construction is too large to be meant, before memory runs out."""
    parameters = tensors = 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal parameters, tensors
        tensors += 1
        parameters += parameter.numel() if parameter is not None else 0
        if parameters > MOST_PARAMETERS or tensors > MOST_TENSORS:
            raise ValueError(f"over {parameters:,} parameters in {tensors:,} tensors: check the numbers")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def load_network_options(path: str) -> dict[str, Any]:
    """The options of a file, whose ``network_g`` names a registered network.

    Raises:
        UserError: the file is missing or invalid, or has no such section.
    """
    opt = load(path)
    if not isinstance(opt.get("network_g"), dict):
        raise UserError(f"-opt {path}: has no section network_g; give an option file of a training or a test")
    with located(f"-opt {path}"):
        check_types({"model_type": "SRModel", "datasets": {}, "network_g": opt["network_g"]})
    return opt


def ready(net: nn.Module, options: dict[str, Any]) -> nn.Module:
    """``net`` in eval mode, its parameters without gradients.

    With an option ``window_size``, such as SwinIR's, the input is reflect-padded to whole windows and the result
    cropped, as in BasicSR's ``SwinIRModel``. Networks that pad inside, as SSIU does, have no such option.
    """
    net, window = net.eval().requires_grad_(False), options.get("window_size")
    return Padded(net, window).eval() if type(window) is int and window > 0 else net


class Padded(nn.Module):
    """``net`` with its input, ``(B, C, h, w)``, reflect-padded to multiples of some pixels, and its result cropped."""

    def __init__(self, net: nn.Module, multiple: int) -> None:
        super().__init__()
        self.net, self.multiple = net, multiple

    def forward(self, y: Tensor) -> Tensor:
        height, width = y.shape[2:]
        padded = reflect_to_multiple(y, self.multiple)
        x = self.net(padded)
        scale = x.shape[2] // padded.shape[2]
        return x[:, :, : scale * height, : scale * width]


def check_weights(opt: dict[str, Any], net: nn.Module) -> None:
    """Check that ``path.pretrain_network_g``, if set, can be read and fits ``net``, by BasicSR's rules.

    Raises:
        UserError: see ``fitting_weights``.
    """
    path = opt["path"]
    file = path.get("pretrain_network_g")
    if file is not None and not Path(file).expanduser().is_file() and isinstance(net, SSIU):
        raise UserError(f"path.pretrain_network_g: weights {file}: no such file; train it, or write shipped for ours")
    if file is not None:
        fitting_weights(file, path.get("param_key_g", "params"), net, strict=path.get("strict_load_g", True))


def fitting_weights(file: str, key: str | None, net: nn.Module, *, strict: bool = True) -> StateDict:
    """The weights under ``key`` in a file, with the parameter names of ``net``.

    Args:
        file: a checkpoint.
        key: the entry that holds the weights; None: the file itself is the state dict.
        net: the network; released names of SSIU are converted.
        strict: whether names and shapes must match exactly; if they do, ``net`` has the weights afterwards.

    Raises:
        UserError: the file is missing or unreadable, has no such key, or the weights do not fit.
    """
    weights = read_state_dict(file, key)
    if isinstance(net, SSIU):
        rename_released(weights)
    own = net.state_dict()
    for name in [name for name, value in weights.items() if strict and name in own]:
        if weights[name].is_floating_point() != own[name].is_floating_point():  # torch would convert it in silence
            raise UserError(f"weights {file}: {name} is {weights[name].dtype}, in network_g {own[name].dtype}")
    if strict:
        try:
            net.load_state_dict(weights)
        except RuntimeError as error:
            reason = _advice(weights, net) or misfit(weights, own) or shorten(str(error), 300)
            raise UserError(f"weights {file} do not fit network_g: {reason}") from error
    return weights


def _advice(weights: StateDict, net: nn.Module) -> str:
    """The options of the SSIU that ``weights`` are of, where ``net`` has others; empty if neither is an SSIU."""
    made_for, built = (ssiu_options(held) or {} for held in (weights, net.state_dict()))
    names = [name for name in made_for if built.get(name, made_for[name]) != made_for[name]]
    differing = ", ".join(f"{name}: {made_for[name]} (here {built[name]})" for name in names)
    return differing and f"they were trained with {differing}"
