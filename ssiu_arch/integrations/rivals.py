"""Networks of spandrel in BasicSR: ``network_g: {type: Spandrel, path: FILE}``.

With ``arch: NAME`` instead of ``path`` it is a lightweight rival of SSIU with random weights, to train or to measure.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.extras import require
from ssiu_arch.utils.registry import ARCH_REGISTRY
from ssiu_arch.weights.reading import non_finite, read_checkpoint
from ssiu_arch.weights.shipped import weights_path


class Light(NamedTuple):
    """A lightweight network as published: package, class, the argument for the scale, and its other arguments."""

    package: str
    arch: str
    scale: str
    options: Mapping[str, Any]

    def build(self, upscale: int) -> nn.Module:
        """The network with random weights."""
        require(self.package, "rivals", self.arch)
        module = import_module(f"{self.package}.architectures.{self.arch}")
        return getattr(module, self.arch)(**self.options, **{self.scale: upscale})


OF_WINDOWS = {"depths": (6,) * 4, "upsampler": "pixelshuffledirect"}
OF_60 = {**OF_WINDOWS, "embed_dim": 60, "num_heads": (6,) * 4, "mlp_ratio": 2}
OF_48 = {**OF_WINDOWS, "embed_dim": 48, "num_heads": (4,) * 4, "mlp_ratio": 1, "window_size": 16}
DICTIONARY = {"category_size": 128, "num_tokens": 64, "reducted_dim": 8, "convffn_kernel_size": 7}
LIGHT = {  # by the names of the paper's Table I; SwinIR-light is not in it
    "Omni-SR": Light("spandrel", "OmniSR", "up_scale", {"num_feat": 64, "res_num": 5, "block_num": 1}),
    "SRFormer": Light("spandrel_extra_arches", "SRFormer", "upscale", {**OF_60, "window_size": 16}),
    "CRAFT": Light("spandrel", "CRAFT", "upscale", {}),
    "ATD-light": Light("spandrel", "ATD", "upscale", {**OF_48, **DICTIONARY}),
    "SAFMN": Light("spandrel", "SAFMN", "upscaling_factor", {"dim": 36}),
    "SwinIR-light": Light("spandrel", "SwinIR", "upscale", {**OF_60, "window_size": 8}),
}


@ARCH_REGISTRY.register
class Spandrel(nn.Module):
    """A network that spandrel knows, with weights from a file, or a lightweight rival with random weights.

    Args:
        path: weights of any network that spandrel or spandrel_extra_arches recognises, or of an SSIU; ``shipped`` names
            the package's own. Of several sets in a file, spandrel takes ``params_ema`` before ``params``.
        arch: one of ``LIGHT`` instead, with its published light settings and random weights.
        upscale: the scale: of ``arch`` (default: 4); of a file it must be the file's.

    Shape: ``(B, 3, h, w)`` to ``(B, 3, s*h, s*w)``, RGB, range [0, 1], the result not clamped. The input is padded to
    the sizes that the network takes, and the result cropped, as spandrel does it.

    Raises:
        ValueError: not exactly one of ``path`` and ``arch``, an unknown ``arch``, or another scale than the file's.
        UserError: the file is damaged, unknown to spandrel or not for RGB images; or spandrel is not installed.
    """

    def __init__(self, path: str | None = None, arch: str | None = None, upscale: int | None = None) -> None:
        super().__init__()
        if (path is None) == (arch is None):
            raise ValueError(f"give either path, a file of weights, or arch, one of {', '.join(LIGHT)}")
        if arch is not None and (arch not in LIGHT or upscale not in (None, 2, 3, 4)):
            raise ValueError(f"arch ({arch}), upscale ({upscale}): must be one of {', '.join(LIGHT)} at 2, 3 or 4")
        require("spandrel", "rivals", "network type Spandrel")
        self.path = None if path is None else str(weights_path(path, upscale))
        with quiet():
            new = arch and LIGHT[arch].build(upscale or 4).state_dict()
            found = registry().load(new) if new else described(str(self.path))
        self.upscale = found.scale
        if upscale not in (None, self.upscale):
            raise ValueError(f"upscale ({upscale}): the weights {path} are for x{self.upscale}")
        # spandrel removes the prefix "netG.", so it also reads the checkpoints of a training of this network
        self.netG = found.model
        self.size_requirements = found.size_requirements
        self.call = found._call_fn  # what found(y) does, with gradients

    def forward(self, y: Tensor) -> Tensor:
        height, width = y.shape[2:]
        right, below = self.size_requirements.get_padding(width, height)
        reflected = min(right, width - 1), min(below, height - 1)  # as far as torch reflects; the rest repeats the edge
        padded = F.pad(y, (0, reflected[0], 0, reflected[1]), "reflect")
        padded = F.pad(padded, (0, right - reflected[0], 0, below - reflected[1]), "replicate")
        return self.call(self.netG, padded)[:, :, : self.upscale * height, : self.upscale * width]


def described(path: str) -> Any:
    """spandrel's descriptor of the network whose weights are in a file.

    Raises:
        UserError: the file cannot be read, spandrel does not know its network, or that does not enlarge RGB images.
    """
    from spandrel import ImageModelDescriptor, UnsupportedModelError

    held = read_checkpoint(path)
    try:
        found = registry().load(held)
    except UnsupportedModelError as error:
        raise UserError(f"weights {path}: of no network that spandrel knows") from error
    except Exception as error:  # of any of its networks
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"weights {path}: spandrel cannot load them: {reason}") from error
    if not isinstance(found, ImageModelDescriptor) or (found.input_channels, found.output_channels) != (3, 3):
        raise UserError(f"weights {path}: {found.architecture.name} does not make RGB images of RGB images alone")
    if reason := non_finite(found.model.state_dict()):
        raise UserError(f"weights {path}: {reason}")
    return found


def registry() -> Any:
    """spandrel's registry with SSIU, and with the networks of spandrel_extra_arches if that is installed."""
    from spandrel import MAIN_REGISTRY

    from ssiu_arch.integrations.spandrel import install

    install()
    known = MAIN_REGISTRY.copy()
    with suppress(ModuleNotFoundError):
        from spandrel_extra_arches import EXTRA_REGISTRY

        known.add(*EXTRA_REGISTRY, ignore_duplicates=True)
    return known


@contextmanager
def quiet() -> Iterator[None]:
    """Silence torch's warnings about other authors' networks, which cannot be mended here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", "torch.meshgrid", UserWarning)
        yield
