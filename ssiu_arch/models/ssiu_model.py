"""SSIU's training model: BasicSR's ``SRModel`` with a loss in the frequency domain and AdamW."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import torch
from basicsr.losses import build_loss
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import SSIU, rename_released
from ssiu_arch.evaluation.baseline import bicubic_metrics, log_bicubic
from ssiu_arch.models import faster
from ssiu_arch.models.fast_validation import FastValidation
from ssiu_arch.models.late_losses import LateLosses
from ssiu_arch.utils.errors import UserError


class SSIUModel(SRModel):
    """Trains and validates SSIU, or any other network of one input and one output.

    Beyond ``SRModel`` it reads these options:

    - ``train.fft_opt``: a loss beside ``pixel_opt``, logged as ``l_fft`` (``FFTL1Loss``).
    - ``train.optim_g.type``: ``AdamW`` as well as ``Adam``, both fused where the device can (``fused: false`` forbids).
    - ``train.micro_batch_size``: a batch goes through the network in parts of this many images, which add up to the
      gradients of the whole: the paper's 40 on a small GPU.
    - ``train.grad_clip``: largest norm of the gradients.
    - ``train.skip_non_finite``: true leaves out a batch with a loss or gradient that is not finite, and says so, for
      which every iteration waits for the GPU; otherwise such a loss ends the training.
    - ``train.precision``: ``fp32``, ``tf32`` or ``bf16``, the network's forward and backward pass in bfloat16; weights,
      losses, optimiser and moving average are float32 throughout, and so is validation.
    - ``train.channels_last``: true, weights and images with the channels of a pixel side by side in memory.
    - ``train.checkpointing``: true, a stage's inner maps are computed once more for the backward pass, not kept.
    - ``train.compile``: true, or arguments of ``torch.compile``: training runs the compiled network, validation not.
    - ``val.fast``: SSIU is validated and tested by its fast form (``ssiu_arch.fuse``), equal in float32 but for
      rounding; false runs the network itself. ``val.precision`` (``fp32``, ``tf32``, ``bf16``, ``fp16``),
      ``val.compile`` and ``val.cuda_graphs`` are options of that form.
    - ``val.tile``, ``val.tile_overlap``: any network runs on blended tiles of so many LR pixels a side, which overlap
      by so many (16); not exact, and not needed by the fast form.
    - ``val.bicubic``: true measures bicubic interpolation once by the same metrics, before the first validation of each
      set: a score is worth what it is above that, and a wrong data set shows there first.
    """

    @property
    def train_opt(self) -> Mapping[str, Any]:
        """The options below ``train``; none in a test."""
        return self.opt["train"] if self.is_train else {}

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Prepare ``net`` for a training as the options ask, move it to the device, wrap it for several processes.

        Raises:
            UserError: the options ask for what this network, or torch, cannot do.
        """
        if self.train_opt.get("compile") and self.opt["dist"]:
            torch._dynamo.config.optimize_ddp = False  # else older torches refuse ``checkpointing``
        elif self.train_opt.get("compile") and self.opt["num_gpu"] > 1:
            raise UserError(
                f"train.compile with num_gpu ({self.opt['num_gpu']}): start a process a GPU, --launcher pytorch"
            )
        return super().model_to_device(faster.prepare(net, self.train_opt))

    def init_training_settings(self) -> None:
        """Set the precision, build the losses, then what ``SRModel`` builds: EMA, optimiser, scheduler."""
        faster.set_precision(self.train_opt.get("precision"))
        fft_opt = self.opt["train"].get("fft_opt")
        self.cri_fft = build_loss(fft_opt).to(self.device) if fft_opt else None
        super().init_training_settings()
        if self.ema_decay > 0:
            self.net_g_ema.to(memory_format=faster.layout(self.train_opt))

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take over a batch; a copy from pinned memory goes on while the host does other things."""
        how = {"non_blocking": True, "memory_format": faster.layout(self.train_opt)}
        self.lq = data["lq"].to(self.device, **how)
        if "gt" in data:
            self.gt = data["gt"].to(self.device, **how)

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
        train = self.opt["train"]
        self.optimizer_g.zero_grad()
        losses = self.backward(self.lq, self.gt, train.get("micro_batch_size") or len(self.lq))
        if train.get("grad_clip"):
            torch.nn.utils.clip_grad_norm_(self.net_g.parameters(), train["grad_clip"])
        if train.get("skip_non_finite") and not self.all_finite(losses):
            named = ", ".join(f"{name} {value.item()}" for name, value in losses.items())
            get_root_logger().warning(f"iteration {current_iter} is skipped: {named}")
            self.log_dict = self.__dict__.get("log_dict", {})
            return
        self.optimizer_g.step()

        self.log_dict = self.reduce_loss_dict(losses)
        if self.ema_decay > 0:
            self.model_ema(decay=self.ema_decay)

    def backward(self, lq: Tensor, gt: Tensor, size: int) -> "OrderedDict[str, Tensor]":
        """Add up the gradients of a batch, ``size`` images at a time: those of the whole, its losses being means.

        Returns:
            The batch's losses by the names they are logged under, detached.
        """
        total: OrderedDict[str, Tensor] = OrderedDict()
        parts = list(zip(lq.split(size), gt.split(size), strict=True))
        device, precision = self.device, self.train_opt.get("precision")
        for n, (lq_part, gt_part) in enumerate(parts, 1):
            waits = self.opt["dist"] and n < len(parts)  # the processes exchange gradients once
            with faster.attention(device, precision), self.net_g.no_sync() if waits else nullcontext():
                with faster.autocast(device, precision):
                    output = self.net_g(lq_part)
                self.output = output.float()
                losses = {name: loss * (len(lq_part) / len(lq)) for name, loss in self.losses(self.output, gt_part)}
                torch.stack(list(losses.values())).sum().backward()
            for name, loss in losses.items():
                total[name] = total.get(name, 0) + loss.detach()
        return total

    def losses(self, output: Tensor, gt: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The weighted losses by the names they are logged under; ``output`` and ``gt`` are (B, 3, s*h, s*w)."""
        if self.cri_pix:
            yield "l_pix", self.cri_pix(output, gt)
        if self.cri_fft:
            yield "l_fft", self.cri_fft(output, gt)
        if self.cri_perceptual:
            for name, loss in zip(("l_percep", "l_style"), self.cri_perceptual(output, gt), strict=True):
                if loss is not None:
                    yield name, loss

    def reduce_loss_dict(self, loss_dict: Mapping[str, Tensor]) -> LateLosses:
        """The means over all processes, in the first of them; nobody waits for the numbers before they are read."""
        with torch.no_grad():
            values = torch.stack([loss.detach().mean() for loss in loss_dict.values()])
            if self.opt["dist"]:
                torch.distributed.reduce(values, dst=0)
                if self.opt["rank"] == 0:
                    values /= self.opt["world_size"]
        return LateLosses(loss_dict, values)

    def all_finite(self, losses: "OrderedDict[str, Tensor]") -> bool:
        """Whether losses and gradients are finite, in every process of a distributed training."""
        gradients = [parameter.grad for parameter in self.net_g.parameters() if parameter.grad is not None]
        norm = torch.stack(torch._foreach_norm(gradients)).sum() + sum(losses.values())
        if self.opt["dist"]:
            torch.distributed.all_reduce(norm)
        return bool(norm.isfinite())

    def model_ema(self, decay: float = 0.999) -> None:
        """BasicSR's moving average, over all parameters at once: a few launches instead of two a tensor."""
        averages = list(self.net_g_ema.parameters())
        current = [parameter.detach() for parameter in self.get_bare_model(self.net_g).parameters()]
        torch._foreach_lerp_([average.data for average in averages], current, 1 - decay)

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Go on from a state, the optimiser's moments laid out in memory as their parameters are now.

        Fused optimisers go through both side by side: with ``channels_last`` changed since, they would mix them up.
        """
        super().resume_training(resume_state)
        for optimizer in self.optimizers:
            for parameter, state in optimizer.state.items():
                for name, value in state.items():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)

    def network_to_validate(self) -> nn.Module:
        """The moving average where there is one, else the network; neither compiled nor distributed."""
        return self.net_g_ema if hasattr(self, "net_g_ema") else self.get_bare_model(self.net_g)

    def test(self) -> None:
        """Run the fast form of ``network_to_validate``, or the network, on ``self.lq``."""
        net = self.network_to_validate()
        was_training = net.training
        net.eval()
        try:
            with torch.no_grad():
                self.output = (self.validated_by or self.fast_validation.derive(net))(self.lq)
        finally:
            net.train(was_training)

    validated_by: Callable[[Tensor], Tensor] | None = None  # during a validation: derived when it began

    @cached_property
    def fast_validation(self) -> FastValidation:
        """What derives the fast form."""
        return FastValidation(self.opt.get("val") or {}, self.opt.get("scale", 1))

    def _print_different_keys_loading(self, crt_net: nn.Module, load_net: dict, strict: bool = True) -> None:
        if isinstance(self.get_bare_model(crt_net), SSIU):
            rename_released(load_net)  # else BasicSR would list each of the names that differ as missing
        super()._print_different_keys_loading(crt_net, load_net, strict)

    def nondist_validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Validate as BasicSR does, after bicubic interpolation where ``val.bicubic`` asks for it."""
        name = dataloader.dataset.opt["name"]
        measured = self.__dict__.setdefault("bicubic_scores", {})  # ``ssiu_arch.evaluation.watch`` fills it too
        if self.opt["val"].get("bicubic") and self.opt["val"].get("metrics") and name not in measured:
            measured[name] = bicubic_metrics(dataloader, self.opt["val"]["metrics"])
            log_bicubic(name, measured[name])
        self.validated_by = self.fast_validation.derive(self.network_to_validate())
        try:
            super().nondist_validation(dataloader, current_iter, tb_logger, save_img)
        finally:
            self.validated_by = None


if "SSIUModel" not in MODEL_REGISTRY:
    MODEL_REGISTRY.register(SSIUModel)
