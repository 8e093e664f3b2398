"""A candidate made ready to run: built, in its form, its precision and layout, on its device."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import SSIU, reflect_to_multiple
from ssiu_arch.inference import fuse
from ssiu_arch.inference.precision import PRECISIONS, tf32
from ssiu_arch.tools.profile.candidates import Candidate
from ssiu_arch.tools.profile.plain import PlainSSIU
from ssiu_arch.utils.errors import UserError

Size = tuple[int, int]  # height and width of an LR image


class Prepared:
    """A candidate on a device; calling it runs it on one batch.

    The fused form converts its input itself; all others are converted with their input, so that the conversion of the
    input is no part of a run.

    Args:
        candidate: what to build.
        device: where.

    Raises:
        UserError: it cannot be built, or the fast form does not take its modes.
    """

    def __init__(self, candidate: Candidate, device: torch.device) -> None:
        torch.manual_seed(0)
        self.candidate, self.device = candidate, device
        self.net = padded(in_form(candidate.build().to(device), candidate), candidate.multiple)
        if candidate.form != "fused":
            self.net.to(PRECISIONS[candidate.precision])
            if "channels_last" in candidate.modes:
                self.net.to(memory_format=torch.channels_last)
        self.run: Callable[[Tensor], Tensor] = self.net
        if "compile" in candidate.modes and candidate.form != "fused":
            self.run = torch.compile(self.net, dynamic=False)

    def input(self, size: Size, batch: int) -> Tensor:
        """Random pixels, uniform in [0, 1]: ``(batch, channels, height, width)``. Never zeros, which run faster."""
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(batch, self.candidate.channels, *size, generator=generator).to(self.device)
        if self.candidate.form != "fused":
            x = x.to(PRECISIONS[self.candidate.precision])
        return x.to(memory_format=torch.channels_last) if "channels_last" in self.candidate.modes else x

    def __call__(self, x: Tensor) -> Tensor:
        return self.run(x)

    @contextmanager
    def settings(self) -> Iterator[None]:
        """What a run needs around it: no gradients; TF32 for tf32 only, where torch lets convolutions use it always."""
        with torch.no_grad(), tf32(torch.device("cuda"), self.candidate.precision == "tf32"):
            yield


def in_form(net: nn.Module, candidate: Candidate) -> nn.Module:
    """The network in the candidate's form, sharing its parameters.

    Raises:
        UserError: the fast form does not take these modes.
    """
    if candidate.form == "eager":
        return net
    assert isinstance(net, SSIU)  # plain and fused are forms of it, and names of presets only
    if candidate.form == "plain":
        return PlainSSIU(net).eval()
    modes = candidate.modes
    try:
        return fuse(
            net,
            precision=candidate.precision,
            compile="compile" in modes,
            cuda_graphs="graphs" in modes,
            strip=candidate.strip,
        )
    except (ValueError, TypeError, NotImplementedError) as error:
        raise UserError(f"{candidate.name}: {error}") from error


def padded(net: nn.Module, multiple: int) -> nn.Module:
    """``net`` behind reflect-padding to multiples of so many pixels; the result is cropped."""
    return net if multiple == 1 else _Padded(net, multiple)


class _Padded(nn.Module):
    def __init__(self, net: nn.Module, multiple: int) -> None:
        super().__init__()
        self.net, self.multiple = net, multiple

    def forward(self, y: Tensor) -> Tensor:
        height, width = y.shape[2:]
        whole = reflect_to_multiple(y, self.multiple)
        x = self.net(whole)
        scale = x.shape[2] // whole.shape[2]
        return x[:, :, : scale * height, : scale * width]


def use(device: torch.device) -> None:
    """Make it torch's own choice too: events are recorded there. Convolutions try algorithms out, as in BasicSR."""
    torch.backends.cudnn.benchmark = True
    if device.type == "cuda":
        torch.cuda.set_device(device)


def for_result(height: int, width: int, upscale: int) -> Size:
    """The LR size whose result is at least so large."""
    return math.ceil(height / upscale), math.ceil(width / upscale)
