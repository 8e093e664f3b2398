"""The network of an option file: its arguments, and whether the pretrained weights fit it."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from ssiu_arch.archs.ssiu_arch import SSIU, rename_released
from ssiu_arch.checks.finding import did_you_mean, located
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import StateDict, read_state_dict, ssiu_options

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
    accepted = inspect.signature(arch).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values()):
        for argument in arguments:
            if argument not in accepted:
                meant = did_you_mean(str(argument), accepted)
                raise UserError(f"network_g.{argument}: {name} has only {', '.join(accepted)}{meant}")
    for argument, value in arguments.items():  # a network takes the text "no" for true, and true for 1
        default = accepted[argument].default if argument in accepted else None
        is_odd = isinstance(default, (bool, int, float)) and isinstance(value, (bool, str))
        if is_odd and type(value) is not type(default):
            kind = "true or false" if isinstance(default, bool) else "a number"
            raise UserError(f"network_g.{argument} ({value!r}) must be {kind}")
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


def check_weights(opt: dict[str, Any], net: nn.Module) -> None:
    """Check that ``path.pretrain_network_g``, if set, can be read and fits ``net``, by BasicSR's rules.

    Raises:
        UserError: see ``fitting_weights``.
    """
    path = opt["path"]
    file = path.get("pretrain_network_g")
    if file is not None and not Path(file).expanduser().is_file() and isinstance(net, SSIU):
        raise UserError(
            f"path.pretrain_network_g: weights {file}: no such file; train first, or write shipped for our own"
        )
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
    if strict:
        _check_fit(file, weights, net)
    return weights


def _check_fit(file: str, weights: StateDict, net: nn.Module) -> None:
    own = net.state_dict()
    for name in [name for name, value in weights.items() if name in own]:
        if weights[name].is_floating_point() != own[name].is_floating_point():  # torch would convert it in silence
            raise UserError(f"weights {file}: {name} is {weights[name].dtype}, in network_g {own[name].dtype}")
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]  # the first is a title
        found = "; ".join(
            shorten(line[:1].lower() + line[1:].rstrip("."), 180, placeholder=" ...") for line in lines[:2]
        )
        more = f" and {len(lines) - 2} more differences" if len(lines) > 2 else ""
        raise UserError(f"weights {file} do not fit network_g: {found}{more}{_advice(weights, net)}") from error


def _advice(weights: StateDict, net: nn.Module) -> str:
    made_for = ssiu_options(weights) if isinstance(net, SSIU) else None
    if made_for is None:
        return ""
    built = ssiu_options(net.state_dict()) or {}
    differing = [name for name, value in made_for.items() if built.get(name) != value]
    changes = ", ".join(f"{name}: {made_for[name]} (here {built.get(name)})" for name in differing)
    return f". The weights were trained with {changes}" if changes else ""
