"""The networks that ``ssiu profile`` measures: presets by name, any other from an option file."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ssiu_arch.checks.build import load_network_options, ready
from ssiu_arch.checks.finding import did_you_mean, located
from ssiu_arch.checks.network import build
from ssiu_arch.inference import fuse
from ssiu_arch.inference.precision import tf32
from ssiu_arch.integrations.rivals import LIGHT, quiet
from ssiu_arch.utils.errors import UserError

SCALES = (2, 3, 4)  # of every preset
SCALE_WORDS = ("upscale", "scale")
CHANNEL_WORDS = ("num_in_ch", "in_chans", "in_channels")
Size = tuple[int, int]  # height and width of an LR image


@dataclass(frozen=True)
class Candidate:
    """A network and how it runs.

    Attributes:
        name: preset or option file, as shown in the tables.
        what: one line for ``--list``.
        arch: name in BasicSR's registry.
        options: arguments of the network.
        fused: whether SSIU runs in its optimised form (``ssiu_arch.fuse``) instead of the network itself.
        precision, compile, graphs, strip: arguments of ``fuse``; ``compile`` serves the network itself, too.
        row: name of the same network in the paper's Table I, if it is there.
    """

    name: str
    what: str
    arch: str
    options: dict[str, Any] = field(default_factory=dict)
    fused: bool = False
    precision: str = "fp32"
    compile: bool = False
    graphs: bool = False
    strip: int | None = None
    row: str | None = None

    @property
    def channels(self) -> int:
        """Input channels, by the network's arguments or their defaults; 3 if it has no such argument."""
        defaults = {name: parameter.default for name, parameter in _parameters(self.arch).items()}
        found = (values[word] for word in CHANNEL_WORDS for values in (self.options, defaults) if word in values)
        return next((channels for channels in found if type(channels) is int), 3)

    def build(self) -> nn.Module:
        """The network on the CPU with random weights, ``ready`` for images of any size.

        Raises:
            UserError: the network refuses its arguments.
        """
        with located(self.name), quiet():
            return ready(build({"network_g": {"type": self.arch, **self.options}}), self.options)


EDSR_M = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 64, "num_block": 16}
ECBSR_M = {"num_in_ch": 1, "num_out_ch": 1, "num_block": 16, "num_channel": 64, "with_idt": True, "act_type": "prelu"}
RIVALS = (  # by spandrel: names here, and in the paper's Table I
    ("omni-sr", "Omni-SR"),
    ("srformer-light", "SRFormer"),
    ("craft", "CRAFT"),
    ("atd-light", "ATD-light"),
    ("safmn", "SAFMN"),
)

MODES: dict[str, tuple[str, dict[str, Any]]] = {  # of the optimised form: word in the preset's name, its meaning
    "tf32": ("TF32 (GPU)", {"precision": "tf32"}),
    "bf16": ("bfloat16", {"precision": "bf16"}),
    "fp16": ("float16", {"precision": "fp16"}),
    "strips": ("strips of 64 rows", {"strip": 64}),
    "compiled": ("torch.compile", {"compile": True}),
    "graphs": ("CUDA graphs", {"graphs": True}),
}


def _fused(*words: str) -> Candidate:
    what = ", ".join(["SSIU, optimised form", *(MODES[word][0] for word in words)])
    arguments = {name: value for word in words for name, value in MODES[word][1].items()}
    return Candidate("-".join(["fused", *words]), what, "SSIU", fused=True, row="SSIU", **arguments)


_PRESETS = (
    Candidate("eager", "SSIU, the network itself: the baseline", "SSIU", row="SSIU"),
    Candidate("compiled", "SSIU, the network itself by torch.compile", "SSIU", compile=True, row="SSIU"),
    _fused(),
    *map(_fused, MODES),
    _fused("bf16", "compiled"),
    _fused("bf16", "graphs"),
    _fused("bf16", "compiled", "graphs"),
    Candidate("swinir-light", "SwinIR, light settings", "SwinIR", dict(LIGHT["SwinIR-light"].options)),
    *(
        Candidate(name, f"{arch}, light settings, by spandrel", "Spandrel", {"arch": arch}, row=arch)
        for name, arch in RIVALS
    ),
    Candidate("edsr-m", "EDSR baseline: 64 features, 16 blocks", "EDSR", EDSR_M, row="EDSR-B"),
    Candidate("ecbsr-m", "ECBSR: 16 blocks, 64 channels, Y only", "ECBSR", ECBSR_M, row="ECBSR-M"),
)
PRESETS = {preset.name: preset for preset in _PRESETS}


def from_preset(name: str, upscale: int, device: str = "cpu") -> Candidate:
    """The preset ``name`` at a scale.

    Args:
        name: one of ``PRESETS``.
        upscale: scale.
        device: ``cpu`` or ``cuda``; TF32 and CUDA graphs need a GPU.

    Raises:
        UserError: the preset is unknown, lacks the scale, or does not run on the device.
    """
    if name not in PRESETS:
        raise UserError(f"{name}: no such preset: see --list, or use -opt FILE{did_you_mean(name, PRESETS)}")
    preset = PRESETS[name]
    if upscale not in SCALES:
        raise UserError(f"{name}: has no scale {upscale}; use --upscale {' or '.join(map(str, SCALES))}")
    if device == "cpu" and (preset.graphs or preset.precision == "tf32"):
        raise UserError(f"{name}: needs a GPU; add --device cuda")
    return _at_scale(preset, upscale)


def from_option_file(path: str, upscale: int) -> Candidate:
    """The ``network_g`` of an option file.

    Raises:
        UserError: the file is missing, or has no network of this scale.
    """
    network = dict(load_network_options(path)["network_g"])
    with located(f"-opt {path}"):
        return _at_scale(Candidate(path, "", network.pop("type"), network), upscale)


def scale_of(option_files: list[str]) -> int:
    """The scale of the first option file that names one; 4 if none does."""
    networks = (load_network_options(path)["network_g"] for path in option_files)
    found = (network[word] for network in networks for word in SCALE_WORDS if type(network.get(word)) is int)
    return next(found, 4)


def _at_scale(candidate: Candidate, upscale: int) -> Candidate:
    """The candidate with the scale among its options, if its network has an argument for it."""
    options = candidate.options
    for word in SCALE_WORDS:
        if options.get(word, upscale) != upscale:
            raise UserError(f"{word} ({options[word]!r}) differs from the scale of this run ({upscale}); see --upscale")
    accepted = [word for word in SCALE_WORDS if word in _parameters(candidate.arch)]
    return replace(candidate, options={**options, accepted[0]: upscale}) if accepted else candidate


def _parameters(arch: str) -> dict[str, inspect.Parameter]:
    from basicsr.utils.registry import ARCH_REGISTRY

    return dict(inspect.signature(ARCH_REGISTRY.get(arch)).parameters)


class Prepared:
    """A candidate on a device, which becomes torch's current one: call it with one batch.

    It computes without gradients, and in float32 without TF32 unless the candidate says otherwise. cuDNN tries
    algorithms, as in BasicSR.

    Raises:
        UserError: the network refuses its arguments.
    """

    def __init__(self, candidate: Candidate, device: torch.device) -> None:
        torch.backends.cudnn.benchmark = True
        if device.type == "cuda":
            torch.cuda.set_device(device)  # CUDA events are recorded on its stream
        torch.manual_seed(0)
        self.candidate, self.device = candidate, device
        net: Any = candidate.build().to(device)
        if candidate.fused:
            compile, graphs, strip = candidate.compile, candidate.graphs, candidate.strip
            net = fuse(net, precision=candidate.precision, compile=compile, cuda_graphs=graphs, strip=strip)
        elif candidate.compile:
            net = torch.compile(net, dynamic=False)
        self.net: Callable[[Tensor], Tensor] = net

    def input(self, size: Size, batch: int) -> Tensor:
        """Random pixels, uniform in [0, 1]: ``(batch, channels, height, width)``. Never zeros, which run faster."""
        generator = torch.Generator().manual_seed(0)
        return torch.rand(batch, self.candidate.channels, *size, generator=generator).to(self.device)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        with tf32(self.device, False):  # the optimised form switches TF32 by its own precision
            return self.net(x)
