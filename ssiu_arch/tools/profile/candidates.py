"""What can be measured, and how it is spelled: ``NAME[:KEY=VALUE,...][+MODE...]``.

``NAME`` is a preset or any network in BasicSR's registry, those of plugins too; ``KEY=VALUE`` are arguments of the
network, values as in an option file; the modes are how it runs::

    fused    eager:num_feat=48    swinir-light+channels_last    EDSR:num_in_ch=3,num_out_ch=3,num_block=8+bf16
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import yaml
from torch import nn

from ssiu_arch.inference.precision import PRECISIONS
from ssiu_arch.utils.errors import UserError

MODES = (*PRECISIONS, "compile", "channels_last", "graphs", "strip64")
STRIP = re.compile(r"strip(\d{1,6})")  # so many rows at a time
SCALE_WORDS = ("upscale", "scale")
CHANNEL_WORDS = ("num_in_ch", "in_chans", "in_channels")
RGB = {"num_in_ch": 3, "num_out_ch": 3}


@dataclass(frozen=True)
class Preset:
    """A network under a name of its own, at the settings of its publication.

    Attributes:
        what: one line for the list.
        arch: its name in BasicSR's registry.
        options: its arguments, but for the scale.
        form: ``eager`` as registered, ``plain`` or ``fused`` for SSIU.
        scales: those it has.
        row: its name in the paper's Table I, if it is there.
    """

    what: str
    arch: str
    options: dict[str, Any] = field(default_factory=dict)
    form: str = "eager"
    scales: tuple[int, ...] = (2, 3, 4)
    row: str | None = None


SWINIR_LIGHT = {
    "window_size": 8,
    "depths": [6, 6, 6, 6],
    "embed_dim": 60,
    "num_heads": [6, 6, 6, 6],
    "mlp_ratio": 2,
    "upsampler": "pixelshuffledirect",
    "resi_connection": "1conv",
}
ECBSR_M = {"num_in_ch": 1, "num_out_ch": 1, "num_block": 16, "num_channel": 64, "with_idt": True, "act_type": "prelu"}

PRESETS = {
    "plain": Preset("SSIU, one operation for each of the paper, not optimised", "SSIU", form="plain", row="SSIU"),
    "eager": Preset("SSIU as this package trains it", "SSIU", row="SSIU"),
    "fused": Preset("SSIU in its fast form", "SSIU", form="fused", row="SSIU"),
    "swinir-light": Preset("SwinIR, lightweight: width 60, 4 x 6 layers, window 8", "SwinIR", SWINIR_LIGHT),
    "edsr-m": Preset("EDSR baseline: 64 features, 16 blocks", "EDSR", {**RGB, "num_block": 16}, row="EDSR-B"),
    "edsr-l": Preset(
        "EDSR: 256 features, 32 blocks", "EDSR", {**RGB, "num_feat": 256, "num_block": 32, "res_scale": 0.1}
    ),
    "rcan": Preset("RCAN: 10 groups of 20 blocks", "RCAN", {**RGB, "num_group": 10, "num_block": 20}),
    "ecbsr-m": Preset("ECBSR: 16 blocks, 64 channels, Y only", "ECBSR", ECBSR_M, row="ECBSR-M"),
    "srresnet": Preset("SRResNet without batch normalisation: 64 features, 16 blocks", "MSRResNet"),
    "rrdbnet": Preset("RRDBNet, that of ESRGAN: 64 features, 23 blocks", "RRDBNet", RGB, scales=(4,)),
}


@dataclass(frozen=True)
class Candidate:
    """One network in one form and mode.

    Attributes:
        name: as spelled.
        arch: its name in BasicSR's registry.
        options: its arguments.
        form: ``eager``, ``plain`` or ``fused``.
        modes: of ``MODES``, with any number of rows in ``strip64``.
        row: its name in the paper's Table I, where it is that very network.
    """

    name: str
    arch: str
    options: dict[str, Any]
    form: str = "eager"
    modes: tuple[str, ...] = ()
    row: str | None = None

    @property
    def precision(self) -> str:
        """One of ``PRECISIONS``."""
        return next((mode for mode in self.modes if mode in PRECISIONS), "fp32")

    @property
    def strip(self) -> int | None:
        """Rows that the fused form computes at a time; None is its own choice."""
        return next((int(found[1]) for found in map(STRIP.fullmatch, self.modes) if found), None)

    @property
    def multiple(self) -> int:
        """What the sides of its input are extended to: SwinIR and its kin take whole windows only.

        BasicSR's ``SwinIRModel`` does the same by the same option; the result is cropped. Networks that pad inside, as
        SSIU does, have none.
        """
        window = self.options.get("window_size")
        return window if type(window) is int and window > 0 else 1

    @property
    def channels(self) -> int:
        """Channels of its input, by its arguments or their defaults; 3 where it has no word for that."""
        defaults = {name: parameter.default for name, parameter in parameters_of(self.arch).items()}
        found = (values[word] for word in CHANNEL_WORDS for values in (self.options, defaults) if word in values)
        return next((channels for channels in found if type(channels) is int), 3)

    def build(self) -> nn.Module:
        """The network on the CPU with random weights, in eval mode.

        Raises:
            UserError: its arguments are unknown to it or refused by it.
        """
        from ssiu_arch.checks.network import build

        with said_of(self.name):
            return build({"network_g": {"type": self.arch, **self.options}}).eval().requires_grad_(False)


class said_of:
    """Put a candidate's name before what is wrong with it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, UserError):
            raise UserError(f"{self.name}: {error}") from error


def parse(text: str, upscale: int, device: str = "cpu") -> Candidate:
    """The candidate that ``text`` spells.

    Args:
        text: see the module.
        upscale: scale of the run, handed to every network that has a word for it.
        device: ``cpu``, ``cuda`` or ``cuda:1``; some modes need a GPU.

    Raises:
        UserError: there is no such network, argument or mode, or they do not go together.
    """
    base, modes = _split_modes(text)
    name, colon, given = base.partition(":")
    if colon and not given:
        raise UserError(f"{text}: no KEY=VALUE after the colon")
    with said_of(text):
        options = dict(_arguments(given)) if given else {}
        preset = PRESETS.get(name)
        if preset is None:
            _check_registered(name)
            return candidate(text, name, options, upscale, device, modes=modes)
        if upscale not in preset.scales:
            scales = " or ".join(map(str, preset.scales))
            raise UserError(f"{preset.arch} has no scale {upscale}: leave it out or give --upscale {scales}")
        row = None if options else preset.row
        return candidate(text, preset.arch, {**preset.options, **options}, upscale, device, preset.form, modes, row)


def from_option_file(path: str, upscale: int, device: str = "cpu") -> Candidate:
    """The ``network_g`` of an option file, under the file's name.

    Raises:
        UserError: there is no such file, or no network of this scale in it.
    """
    network = network_of(path)
    arch, options = network["type"], {key: value for key, value in network.items() if key != "type"}
    with said_of(f"-opt {path}"):
        _check_registered(arch)
        return candidate(path, arch, options, upscale, device)


def network_of(path: str) -> dict[str, Any]:
    """``network_g`` of an option file, with its ``type``.

    Raises:
        UserError: there is no such file, or no ``network_g`` with a type in it.
    """
    from ssiu_arch.checks.option_file import load

    network = load(path).get("network_g")
    if not isinstance(network, dict) or not isinstance(network.get("type"), str):
        raise UserError(f"-opt {path}: has no network_g with a type; it is no option file of a training or a test")
    return dict(network)


def scale_of(option_files: list[str]) -> int:
    """The scale of the first option file that names one; 4 if none does."""
    for path in option_files:
        network = network_of(path)
        for word in SCALE_WORDS:
            if type(network.get(word)) is int:
                return network[word]
    return 4


def candidate(
    name: str,
    arch: str,
    options: dict[str, Any],
    upscale: int,
    device: str,
    form: str = "eager",
    modes: tuple[str, ...] = (),
    row: str | None = None,
) -> Candidate:
    """A candidate whose scale and modes have been checked; see ``Candidate``.

    Raises:
        UserError: the options name another scale than the run, or the modes do not go with form or device.
    """
    words = [word for word in SCALE_WORDS if word in options]
    for word in words:
        if options[word] != upscale:
            raise UserError(f"{word} ({options[word]!r}) is not the scale of this run ({upscale}): see --upscale")
    accepted = [word for word in SCALE_WORDS if word in parameters_of(arch)]
    if accepted and not words:
        options = {**options, accepted[0]: upscale}
    _check_modes(form, modes, device)
    return Candidate(name, arch, options, form, modes, row)


def parameters_of(arch: str) -> dict[str, inspect.Parameter]:
    """The arguments of a registered network."""
    from basicsr.utils.registry import ARCH_REGISTRY

    return dict(inspect.signature(ARCH_REGISTRY.get(arch)).parameters)


def _split_modes(text: str) -> tuple[str, tuple[str, ...]]:
    """The modes at the end of a spelling. A value may hold a plus sign too: ``upsampler=nearest+conv``."""
    base, modes = text, list[str]()
    while "+" in base and _is_mode(base.rpartition("+")[2]):
        base, _, mode = base.rpartition("+")
        modes.insert(0, mode)
    if "+" in base.partition(":")[0] or re.search(r"\+\w*$", base):
        wrong = base.rpartition("+")[2]
        if ":" not in base or get_close_matches(wrong, MODES):
            raise UserError(f"{text}: no mode {wrong!r}: use {', '.join(MODES)}")
    twice = next((mode for mode in modes if modes.count(mode) > 1), None)
    if twice:
        raise UserError(f"{text}: the mode {twice} is given twice")
    return base, tuple(modes)


def _is_mode(word: str) -> bool:
    return word in MODES or STRIP.fullmatch(word) is not None


def _arguments(text: str) -> Iterator[tuple[str, Any]]:
    """``KEY=VALUE`` pairs, split at the commas outside brackets."""
    seen = set()
    for pair in re.split(r",(?![^\[\](){}]*[\])}])", text):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key.isidentifier():
            raise UserError(f"{pair!r} is no KEY=VALUE")
        if key in seen:
            raise UserError(f"{key} is given twice")
        seen.add(key)
        try:
            yield key, yaml.safe_load(value)
        except (yaml.YAMLError, ValueError) as error:
            reason = getattr(error, "problem", None) or error
            raise UserError(f"{key} ({value}) is no value of an option file: {reason}") from error


def _check_registered(arch: str) -> None:
    from basicsr.utils.registry import ARCH_REGISTRY

    from ssiu_arch.checks import registered

    close = get_close_matches(arch.lower(), PRESETS, n=1)
    if close and arch not in ARCH_REGISTRY:
        raise UserError(f"no preset {arch!r}; did you mean {close[0]}? Presets: {', '.join(PRESETS)}")
    registered.check({"model_type": "SRModel", "datasets": {}, "network_g": {"type": arch}})


def _check_modes(form: str, modes: tuple[str, ...], device: str) -> None:
    if len(set(modes) & set(PRECISIONS)) > 1:
        raise UserError(f"one precision at a time: {', '.join(PRECISIONS)}")
    if "graphs" in modes and form != "fused":
        raise UserError("graphs: only the fused form runs as CUDA graphs")
    if form != "fused" and any(map(STRIP.fullmatch, modes)):
        raise UserError("strip: only the fused form computes strips of rows")
    if "channels_last" in modes and form == "fused":
        raise UserError("channels_last: the fused form has a layout of its own")
    for mode in ("tf32", "graphs"):
        if mode in modes and device == "cpu":
            raise UserError(f"{mode} is a mode of GPUs: add --device cuda, or leave it out")
