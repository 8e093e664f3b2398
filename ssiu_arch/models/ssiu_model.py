"""SSIU's training model: BasicSR's ``SRModel`` with a loss in the frequency domain and AdamW."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import torch
from basicsr.losses import build_loss
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import SSIU, rename_released
from ssiu_arch.metrics.baseline import bicubic_metrics


class SSIUModel(SRModel):
    """Trains and validates SSIU, or any other network of one input and one output.

    Beyond ``SRModel`` it reads these options:

    - ``train.fft_opt``: a loss beside ``pixel_opt``, logged as ``l_fft`` (``FFTL1Loss``).
    - ``train.optim_g.type``: ``AdamW`` as well as ``Adam``, both fused where the device can (``fused: false`` forbids).
    - ``val.bicubic``: true measures bicubic interpolation once by the same metrics, before the first validation of each
      set: a score is worth what it is above that, and a wrong data set shows there first.
    """

    def init_training_settings(self) -> None:
        """Build the losses, then what ``SRModel`` builds: EMA, optimiser, scheduler."""
        fft_opt = self.opt["train"].get("fft_opt")
        self.cri_fft = build_loss(fft_opt).to(self.device) if fft_opt else None
        super().init_training_settings()

    def get_optimizer(
        self, optim_type: str, params: Iterable[Tensor], lr: float, **kwargs: Any
    ) -> torch.optim.Optimizer:
        """``Adam`` or ``AdamW``, fused where the parameters' device has it; other names are left to BasicSR."""
        if optim_type not in ("Adam", "AdamW"):
            return super().get_optimizer(optim_type, params, lr, **kwargs)
        optimizer = getattr(torch.optim, optim_type)
        if "fused" in kwargs or "foreach" in kwargs:
            return optimizer(params, lr, **kwargs)
        params = list(params)
        try:
            return optimizer(params, lr, fused=True, **kwargs)
        except RuntimeError:  # no fused kernel for this device
            return optimizer(params, lr, **kwargs)

    def optimize_parameters(self, current_iter: int) -> None:
        """One training iteration on ``self.lq`` (B, 3, h, w) and ``self.gt`` (B, 3, s*h, s*w), range [0, 1]."""
        self.optimizer_g.zero_grad()
        self.output = self.net_g(self.lq)
        losses = self.losses()
        torch.stack(list(losses.values())).sum().backward()
        self.optimizer_g.step()

        self.log_dict = self.reduce_loss_dict(losses)
        if self.ema_decay > 0:
            self.model_ema(decay=self.ema_decay)

    def losses(self) -> "OrderedDict[str, Tensor]":
        """The weighted losses of ``self.output`` against ``self.gt`` by the names they are logged under."""
        losses = OrderedDict()
        if self.cri_pix:
            losses["l_pix"] = self.cri_pix(self.output, self.gt)
        if self.cri_fft:
            losses["l_fft"] = self.cri_fft(self.output, self.gt)
        if self.cri_perceptual:
            l_percep, l_style = self.cri_perceptual(self.output, self.gt)
            named = {"l_percep": l_percep, "l_style": l_style}
            losses.update({name: loss for name, loss in named.items() if loss is not None})
        return losses

    def load_network(
        self, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
    ) -> None:
        """Load weights as BasicSR does; the EMA network takes ``param_key_g`` where the file has no ``params_ema``."""
        named = self.opt["path"].get("param_key_g", "params")
        if param_key == "params_ema" and named != "params_ema":
            held = torch.load(load_path, map_location="meta", weights_only=True)
            if not {"params", "params_ema"} & held.keys():
                param_key = named
        super().load_network(net, load_path, strict, param_key)

    def _print_different_keys_loading(self, crt_net: nn.Module, load_net: dict, strict: bool = True) -> None:
        if isinstance(self.get_bare_model(crt_net), SSIU):
            rename_released(load_net)  # else BasicSR would list each of the names that differ as missing
        super()._print_different_keys_loading(crt_net, load_net, strict)

    def nondist_validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Validate as BasicSR does, after bicubic interpolation where ``val.bicubic`` asks for it."""
        name = dataloader.dataset.opt["name"]
        measured: set[str] = self.__dict__.setdefault("_bicubic_sets", set())
        if self.opt["val"].get("bicubic") and self.opt["val"].get("metrics") and name not in measured:
            measured.add(name)
            scores = bicubic_metrics(dataloader, self.opt["val"]["metrics"])
            lines = "".join(f"\t # {metric}: {value:.4f}\n" for metric, value in scores.items())
            get_root_logger().info(f"Bicubic interpolation on {name}\n{lines}")
        super().nondist_validation(dataloader, current_iter, tb_logger, save_img)


if "SSIUModel" not in MODEL_REGISTRY:
    MODEL_REGISTRY.register(SSIUModel)
