"""The networks that ``ssiu profile`` measures: presets by name, any other from an option file."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ssiu_arch.checks.finding import did_you_mean, located
from ssiu_arch.checks.network import build, load_network_options, ready
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
    """A network and how it runs."""

    name: str  # preset or option file, as shown in the tables
    arch: str  # name in BasicSR's registry
    options: dict[str, Any] = field(default_factory=dict)  # arguments of the network
    form: dict[str, Any] | None = None  # arguments of ssiu_arch.fuse; None: the network itself
    is_compiled: bool = False  # whether torch.compile compiles the network itself
    row: str | None = None  # name of the same network in the paper's Table I, if it is there

    @property
    def precision(self) -> str:
        """Of the weights and feature maps."""
        return (self.form or {}).get("precision", "fp32")

    @property
    def needs_gpu(self) -> bool:
        """Whether the form does nothing of its own on a CPU."""
        return self.precision == "tf32" or "cuda_graphs" in (self.form or {})

    @property
    def channels(self) -> int:
        """Input channels, by the network's arguments; 3 if they do not say."""
        return next((self.options[word] for word in CHANNEL_WORDS if word in self.options), 3)

    def build(self) -> nn.Module:
        """The network on the CPU with random weights, ``ready`` for images of any size.

        Raises:
            UserError: the network refuses its arguments.
        """
        with located(self.name), quiet():
            return ready(build({"network_g": {"type": self.arch, **self.options}}), self.options)


FORMS: dict[str, dict[str, Any]] = {  # of SSIU: name of the preset, arguments of fuse
    "fused": {},
    "fused-tf32": {"precision": "tf32"},
    "fused-bf16": {"precision": "bf16"},
    "fused-fp16": {"precision": "fp16"},
    "fused-strips": {"strip": 64},
    "fused-compiled": {"compile": True},
    "fused-graphs": {"cuda_graphs": True},
    "fused-bf16-compiled": {"precision": "bf16", "compile": True},
    "fused-bf16-graphs": {"precision": "bf16", "cuda_graphs": True},
    "fused-bf16-compiled-graphs": {"precision": "bf16", "compile": True, "cuda_graphs": True},
}
RIVALS = {  # by spandrel: name of the preset, name in the paper's Table I
    "omni-sr": "Omni-SR",
    "srformer-light": "SRFormer",
    "craft": "CRAFT",
    "atd-light": "ATD-light",
    "safmn": "SAFMN",
}
EDSR_M = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 64, "num_block": 16}
ECBSR_M = {"num_in_ch": 1, "num_out_ch": 1, "num_block": 16, "num_channel": 64, "with_idt": True, "act_type": "prelu"}
_PRESETS = (
    Candidate("eager", "SSIU", row="SSIU"),
    Candidate("compiled", "SSIU", is_compiled=True, row="SSIU"),
    *(Candidate(name, "SSIU", form=form, row="SSIU") for name, form in FORMS.items()),
    Candidate("swinir-light", "SwinIR", dict(LIGHT["SwinIR-light"].options)),
    Candidate("edsr-m", "EDSR", EDSR_M, row="EDSR-B"),
    Candidate("ecbsr-m", "ECBSR", ECBSR_M, row="ECBSR-M"),
    *(Candidate(name, "Spandrel", {"arch": row}, row=row) for name, row in RIVALS.items()),
)
PRESETS = {preset.name: preset for preset in _PRESETS}


def from_preset(name: str, upscale: int, device: str = "cpu") -> Candidate:
    """The preset ``name`` at a scale, for a ``device``: ``cpu`` or ``cuda``.

    Raises:
        UserError: the preset is unknown, lacks the scale, or needs a GPU.
    """
    if name not in PRESETS:
        meant = did_you_mean(name, PRESETS) or f"; choose one of {', '.join(PRESETS)}"
        raise UserError(f"{name}: no such preset; use -opt FILE for other networks{meant}")
    if upscale not in SCALES:
        raise UserError(f"{name}: has no scale {upscale}; use --upscale {' or '.join(map(str, SCALES))}")
    if device == "cpu" and PRESETS[name].needs_gpu:
        raise UserError(f"{name}: needs a GPU; add --device cuda")
    return _at_scale(PRESETS[name], upscale)


def from_option_file(path: str, upscale: int) -> Candidate:
    """The ``network_g`` of an option file.

    Raises:
        UserError: the file is missing, or has no network of this scale.
    """
    network = dict(load_network_options(path)["network_g"])
    with located(f"-opt {path}"):
        return _at_scale(Candidate(path, network.pop("type"), network), upscale)


def scale_of(option_files: list[str]) -> int:
    """The scale of the first option file that names one; 4 if none does."""
    networks = (load_network_options(path)["network_g"] for path in option_files)
    found = (network[word] for network in networks for word in SCALE_WORDS if type(network.get(word)) is int)
    return next(found, 4)


def _at_scale(candidate: Candidate, upscale: int) -> Candidate:
    """The candidate with the scale among its options, if its network has an argument for it."""
    from basicsr.utils.registry import ARCH_REGISTRY

    options = candidate.options
    for word in SCALE_WORDS:
        if options.get(word, upscale) != upscale:
            raise UserError(f"{word} ({options[word]!r}) differs from the scale of this run ({upscale}); see --upscale")
    parameters = inspect.signature(ARCH_REGISTRY.get(candidate.arch)).parameters
    accepted = [word for word in SCALE_WORDS if word in parameters][:1]
    return replace(candidate, options={**options, **dict.fromkeys(accepted, upscale)})


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
            torch.cuda.set_device(device)
        torch.manual_seed(0)
        self.candidate, self.device = candidate, device
        net: Any = candidate.build().to(device)
        if candidate.form is not None:
            net = fuse(net, **candidate.form)
        elif candidate.is_compiled:
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
