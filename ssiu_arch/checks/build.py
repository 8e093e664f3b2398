"""The network of an option file, ready to run on images of any size."""

from typing import Any

from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import reflect_to_multiple
from ssiu_arch.checks.finding import located
from ssiu_arch.checks.option_file import check_types
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.option_yaml import load


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
