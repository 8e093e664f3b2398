"""SSIU's training model: BasicSR's ``SRModel`` with a loss in the frequency domain, AdamW and faster training."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import cached_property, partial
from typing import Any

import torch
from basicsr.losses import build_loss
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import SSIU, rename_released
from ssiu_arch.data.bicubic import bicubic_baseline
from ssiu_arch.inference.fused import FusedSSIU, NotReproduced, fuse
from ssiu_arch.inference.tiles import tiled
from ssiu_arch.models import acceleration
from ssiu_arch.models.acceleration import AsyncLosses
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import is_out_of_memory


class Validator:
    """Builds the function that validates a network: SSIU's optimised form, tiles, or the network itself.

    SSIU is fused once. Later calls only copy the new weights, so a compiled form or a CUDA graph is kept. A changed
    SSIU that the optimised form does not reproduce is validated by the network itself, with one warning. ``val``: the
    options below it, see ``SSIUModel``.
    """

    def __init__(self, val: Mapping[str, Any], upscale: int) -> None:
        self.val, self.upscale = val, upscale
        self.fast = val.get("fast") is not False
        self.fused: FusedSSIU | None = None

    def prepare(self, net: nn.Module) -> Callable[[Tensor], Tensor]:
        """A function with the current weights of ``net``: ``(B, 3, h, w)`` to ``(B, 3, s*h, s*w)``."""
        run: Callable[[Tensor], Tensor] = net
        options = {name: self.val[name] for name in ("precision", "compile", "cuda_graphs") if self.val.get(name)}
        if self.fast and isinstance(net, SSIU):
            try:
                if self.fused is None:
                    self.fused = fuse(net, **options)
                else:
                    self.fused.refresh(net)
                run = partial(self._run, net)
            except NotReproduced as error:
                self._fall_back(str(error))
        tile, overlap = self.val.get("tile"), self.val.get("tile_overlap", 16)
        return partial(tiled, run, upscale=self.upscale, tile=tile, overlap=overlap) if tile else run

    def _run(self, net: nn.Module, y: Tensor) -> Tensor:
        """The optimised form's result; the network's own from the first error of the optimised form on."""
        if self.fused is not None:
            try:
                return self.fused(y)
            except Exception as error:  # of a compiler or a driver: no reason to end a training
                if isinstance(error, ValueError) or is_out_of_memory(error):  # of the image: the network has it, too
                    raise
                self._fall_back(f"the optimised form fails ({type(error).__name__}: {' '.join(str(error).split())})")
        return net(y)

    def _fall_back(self, reason: str) -> None:
        self.fast, self.fused = False, None
        get_root_logger().warning(f"val.fast: {reason}; the network itself is validated, val.precision is fp32")


class SSIUModel(SRModel):
    """Trains and validates SSIU, or any other network with one input and one output.

    Options below ``train``, beyond those of ``SRModel``:

    - ``fft_opt``: a second loss, logged as ``l_fft``; usually ``FFTL1Loss``.
    - ``optim_g.type``: ``Adam`` or ``AdamW``, both fused unless you set ``fused: false``.
    - ``micro_batch_size``: images per forward pass. Gradients accumulate to those of the whole batch.
    - ``grad_clip``: maximum norm of the gradients.
    - ``skip_non_finite``: true skips a batch whose loss or gradient is not finite, at the cost of a GPU
      synchronisation per iteration. By default such a loss stops the training.
    - ``precision``: ``fp32``, ``tf32`` or ``bf16`` (autocast). Weights, losses, optimiser, EMA and validation stay
      float32.
    - ``channels_last``: true stores weights and images in torch's channels_last memory format.
    - ``checkpointing``: true recomputes a stage's activations in the backward pass instead of storing them.
    - ``compile``: true, or arguments of ``torch.compile``. Validation runs the uncompiled network.

    Options below ``val``:

    - ``fast``: false validates with SSIU itself; by default its optimised form runs (``ssiu_arch.fuse``), which has the
      same output up to rounding. A changed SSIU that it does not reproduce is validated by itself.
    - ``precision`` (``fp32``, ``tf32``, ``bf16``, ``fp16``), ``compile``, ``cuda_graphs``: options of that form.
    - ``tile``, ``tile_overlap``: side and overlap (default: 16) of blended tiles in LR pixels, for any network. Tiling
      is approximate. The optimised form does not need it.
    - ``bicubic``: true logs the scores of bicubic interpolation before the first validation of each set. Compare your
      scores with this baseline; wrong data shows there first.
    """

    @property
    def train_opt(self) -> Mapping[str, Any]:
        """The options below ``train``; empty in a test."""
        return self.opt["train"] if self.is_train else {}

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Apply the options for speed and memory, move ``net`` to the device, and wrap it for several processes."""
        if self.train_opt.get("compile") and self.opt["dist"]:
            torch._dynamo.config.optimize_ddp = False  # else older torches refuse ``checkpointing``
        elif self.train_opt.get("compile") and self.opt["num_gpu"] > 1:
            raise UserError(
                f"train.compile with num_gpu ({self.opt['num_gpu']}): start one process per GPU with --launcher pytorch"
            )
        return super().model_to_device(acceleration.prepare(net, self.train_opt))

    def init_training_settings(self) -> None:
        """Set the precision, then build losses, EMA, optimiser and scheduler."""
        acceleration.set_precision(self.train_opt.get("precision"))
        fft_opt = self.opt["train"].get("fft_opt")
        self.cri_fft = build_loss(fft_opt).to(self.device) if fft_opt else None
        super().init_training_settings()
        if self.ema_decay > 0:
            self.net_g_ema.to(memory_format=acceleration.memory_format(self.train_opt))

    def feed_data(self, data: dict[str, Any]) -> None:
        """Copy a batch to the device; from pinned memory the copy is asynchronous."""
        how = {"non_blocking": True, "memory_format": acceleration.memory_format(self.train_opt)}
        self.lq = data["lq"].to(self.device, **how)
        if "gt" in data:
            self.gt = data["gt"].to(self.device, **how)

    def get_optimizer(
        self, optim_type: str, params: Iterable[Tensor], lr: float, **kwargs: Any
    ) -> torch.optim.Optimizer:
        """Build the optimiser; ``Adam`` and ``AdamW`` are fused unless ``fused`` or ``foreach`` is given."""
        if optim_type in ("Adam", "AdamW") and not {"fused", "foreach"} & kwargs.keys():
            kwargs["fused"] = True
        return super().get_optimizer(optim_type, params, lr, **kwargs)

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
        """Accumulate the gradients of a batch, ``size`` images at a time; returns its detached losses by log name.

        The losses are means, so each part counts by its share of the batch: 10 of 40 images, a quarter.
        """
        total: OrderedDict[str, Tensor] = OrderedDict()
        parts = list(zip(lq.split(size), gt.split(size), strict=True))
        device, precision = self.device, self.train_opt.get("precision")
        for n, (lq_part, gt_part) in enumerate(parts, 1):
            is_partial = self.opt["dist"] and n < len(parts)  # the processes exchange gradients once, in the last part
            with (
                acceleration.attention_kernel(device, precision),
                self.net_g.no_sync() if is_partial else nullcontext(),
            ):
                with acceleration.autocast(device, precision):
                    output = self.net_g(lq_part)
                self.output = output.float()
                losses = {name: loss * (len(lq_part) / len(lq)) for name, loss in self.losses(self.output, gt_part)}
                torch.stack(list(losses.values())).sum().backward()
            for name, loss in losses.items():
                total[name] = total.get(name, 0) + loss.detach()
        return total

    def losses(self, output: Tensor, gt: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield each weighted loss with its log name; ``output`` and ``gt`` are (B, 3, s*h, s*w)."""
        if self.cri_pix:
            yield "l_pix", self.cri_pix(output, gt)
        if self.cri_fft:
            yield "l_fft", self.cri_fft(output, gt)
        if self.cri_perceptual:
            for name, loss in zip(("l_percep", "l_style"), self.cri_perceptual(output, gt), strict=True):
                if loss is not None:
                    yield name, loss

    def reduce_loss_dict(self, loss_dict: Mapping[str, Tensor]) -> AsyncLosses:
        """The losses averaged over all processes, valid in the first one, as an asynchronous copy."""
        with torch.no_grad():
            values = torch.stack([loss.detach().mean() for loss in loss_dict.values()])
            if self.opt["dist"]:
                torch.distributed.reduce(values, dst=0)
                if self.opt["rank"] == 0:
                    values /= self.opt["world_size"]
        return AsyncLosses(loss_dict, values)

    def all_finite(self, losses: "OrderedDict[str, Tensor]") -> bool:
        """Whether losses and gradients are finite in every process."""
        gradients = [parameter.grad for parameter in self.net_g.parameters() if parameter.grad is not None]
        norm = torch.stack(torch._foreach_norm(gradients)).sum() + sum(losses.values())
        if self.opt["dist"]:
            torch.distributed.all_reduce(norm)
        return bool(norm.isfinite())

    def model_ema(self, decay: float = 0.999) -> None:
        """Update the EMA of all parameters in a few kernel launches; BasicSR needs two per tensor."""
        averages = list(self.net_g_ema.parameters())
        current = [parameter.detach() for parameter in self.get_bare_model(self.net_g).parameters()]
        torch._foreach_lerp_([average.data for average in averages], current, 1 - decay)

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Load a training state, and store the optimiser's moments in the memory format of their parameters.

        A fused optimiser walks through the memory of a parameter and of its moments in parallel. If ``channels_last``
        was changed since the state was saved, their element orders differ, and it would update each weight with
        another weight's moments. So every moment is copied into a tensor laid out like its parameter.
        """
        super().resume_training(resume_state)
        for optimizer in self.optimizers:
            for parameter, state in optimizer.state.items():
                for name, value in state.items():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)

    def network_to_validate(self) -> nn.Module:
        """The EMA if there is one, else the network, without its wrappers for compilation or several processes."""
        return self.net_g_ema if hasattr(self, "net_g_ema") else self.get_bare_model(self.net_g)

    def test(self) -> None:
        """Upscale ``self.lq`` with the network to validate, as the options below ``val`` say."""
        net = self.network_to_validate()
        was_training = net.training
        net.eval()
        try:
            with torch.no_grad():
                self.output = (self.validation_forward or self.validator.prepare(net))(self.lq)
        finally:
            net.train(was_training)

    validation_forward: Callable[[Tensor], Tensor] | None = None  # prepared once for all images of a validation

    @cached_property
    def validator(self) -> Validator:
        """Prepares networks for validation."""
        return Validator(self.opt.get("val") or {}, self.opt.get("scale", 1))

    def _print_different_keys_loading(self, crt_net: nn.Module, load_net: dict, strict: bool = True) -> None:
        if isinstance(self.get_bare_model(crt_net), SSIU):
            rename_released(load_net)  # else BasicSR lists every released name as missing
        super()._print_different_keys_loading(crt_net, load_net, strict)

    def nondist_validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Validate as BasicSR does; with ``val.bicubic``, log the bicubic baseline of each set first."""
        if self.opt["val"].get("bicubic") and self.opt["val"].get("metrics"):
            bicubic_baseline(self, dataloader)
        self.validation_forward = self.validator.prepare(self.network_to_validate())
        try:
            super().nondist_validation(dataloader, current_iter, tb_logger, save_img)
        finally:
            self.validation_forward = None


if "SSIUModel" not in MODEL_REGISTRY:
    MODEL_REGISTRY.register(SSIUModel)
