"""Options that contradict each other, which a run would notice only after its start, or after hours."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from ssiu_arch.models import acceleration
from ssiu_arch.models.ssiu_model import SSIUModel
from ssiu_arch.utils.errors import UserError


def check(opt: dict[str, Any]) -> None:
    """Raise ``UserError`` for the first contradiction in scale, schedule, losses, metrics or loggers."""
    for _, one in PARTS:
        one(opt)


def _check_scale(opt: dict[str, Any]) -> None:
    scale = opt.get("scale")
    if scale is None:
        raise UserError("scale is missing: add the super-resolution factor, for example scale: 4")
    for word in ("upscale", "scale"):
        value = opt["network_g"].get(word, scale)
        if value != scale:
            raise UserError(f"network_g.{word} ({value}) and scale ({scale}) differ: set both to the same number")
    for phase, dataset in opt["datasets"].items():
        gt_size = dataset.get("gt_size")
        if gt_size is not None and gt_size % scale:
            raise UserError(f"datasets.{phase}.gt_size ({gt_size}) must be divisible by scale ({scale})")


def _check_schedule(opt: dict[str, Any]) -> None:
    if not opt.get("train"):
        return
    from basicsr.utils.registry import MODEL_REGISTRY

    train = opt["train"]
    for needed in ("total_iter", "optim_g", "scheduler"):
        if not train.get(needed):
            raise UserError(f"train.{needed} is missing")
    model = MODEL_REGISTRY.get(opt["model_type"])
    dummy: Any = model.__new__(model)  # has the model's optimisers and schedulers, but no network
    dummy.opt, dummy.is_train, dummy.optimizers, dummy.schedulers = deepcopy(opt), True, [], []
    with _explained(
        "train.optim_g", train["optim_g"], "the name and arguments of one of torch.optim, for example Adam"
    ):
        optim = dict(train["optim_g"])
        dummy.optimizers.append(dummy.get_optimizer(optim.pop("type"), [nn.Parameter(torch.zeros(1))], **optim))
    with _explained("train.scheduler", train["scheduler"], "CosineAnnealingRestartLR or MultiStepRestartLR"):
        dummy.setup_schedulers()
    _check_periods(train)


@contextmanager
def _explained(where: str, options: dict[str, Any], allowed: str) -> Iterator[None]:
    if "type" not in options:
        raise UserError(f"{where}.type is missing: write {allowed}")
    try:
        yield
    except Exception as error:  # of BasicSR, torch, or the model of another package
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        listed = ", ".join(f"{name}: {value!r}" for name, value in options.items())[:200]
        raise UserError(f"{where} ({listed}) is rejected: {reason}. Write {allowed}") from error


def _check_periods(train: dict[str, Any]) -> None:
    periods, total = train["scheduler"].get("periods"), int(train["total_iter"])
    if periods is None:
        return
    if min(periods, default=0) <= 0:
        raise UserError(f"train.scheduler.periods ({periods}) must be numbers of iterations, each above 0")
    if sum(periods) < total:
        raise UserError(
            f"train.scheduler.periods add up to {sum(periods)}, less than train.total_iter ({total}): raise them"
        )


def _check_arguments(where: str, made: Any, options: dict[str, Any]) -> None:
    arguments = {name: value for name, value in options.items() if name != "type"}
    try:
        inspect.signature(made).bind(**arguments)
    except TypeError as error:
        raise UserError(f"{where}: {options['type']} has other arguments: {error}") from error


def _check_channels(opt: dict[str, Any]) -> None:
    """``PairedImageDataset`` yields RGB, or Y with ``color: y``; this must be ``num_in_ch`` of the network."""
    from basicsr.utils.registry import ARCH_REGISTRY

    taken = inspect.signature(ARCH_REGISTRY.get(opt["network_g"]["type"])).parameters.get("num_in_ch")
    if taken is None:
        return
    channels = opt["network_g"].get("num_in_ch", taken.default)
    for phase, dataset in opt["datasets"].items():
        given = 1 if dataset.get("color") == "y" else 3
        if dataset["type"] == "PairedImageDataset" and isinstance(channels, int) and channels != given:
            raise UserError(f"datasets.{phase} has {given} channels, but network_g.num_in_ch is {channels}")


def _check_micro_batch(opt: dict[str, Any]) -> None:
    """Gradients of micro-batches add up to those of the batch only if losses are means."""
    if (opt.get("train") or {}).get("micro_batch_size"):
        for section, options in opt["train"].items():
            if section.endswith("_opt") and isinstance(options, dict) and options.get("reduction") == "sum":
                raise UserError(f"train.{section}.reduction (sum) must be mean with train.micro_batch_size")


def _check_losses(opt: dict[str, Any]) -> None:
    from basicsr.utils.registry import LOSS_REGISTRY

    if not opt.get("train"):
        return
    train, known_model = opt["train"], opt["model_type"] in ("SRModel", "SSIUModel")
    for section, options in train.items():
        if section.endswith("_opt") and options and isinstance(options, dict):
            if "type" in options:
                _check_arguments(f"train.{section}", LOSS_REGISTRY.get(options["type"]), options)
            elif known_model:
                raise UserError(f"train.{section}.type is missing")
    if known_model and not (train.get("pixel_opt") or train.get("perceptual_opt")):
        raise UserError("train.pixel_opt is missing: add a loss")


def _check_validation(opt: dict[str, Any]) -> None:
    """Options that would stop the first validation."""
    from basicsr.utils.registry import METRIC_REGISTRY

    val = opt.get("val") or {}
    if opt.get("train") and opt.get("val") is not None and "val_freq" not in val:
        raise UserError("val.val_freq is missing: set the number of iterations between validations")
    tile, overlap = val.get("tile"), val.get("tile_overlap")
    if tile and overlap and overlap > tile // 2:
        raise UserError(f"val.tile_overlap ({overlap}) must be at most half of val.tile ({tile})")
    for name, options in (val.get("metrics") or {}).items():
        arguments = {key: value for key, value in options.items() if key not in ("type", "better", "float_output")}
        try:
            inspect.signature(METRIC_REGISTRY.get(options["type"])).bind(img=None, img2=None, **arguments)
        except TypeError as error:
            raise UserError(f"val.metrics.{name}: {options['type']} has other arguments: {error}") from error


def _check_logger(opt: dict[str, Any]) -> None:
    logger = opt["logger"] if opt.get("train") else {}
    if logger.get("use_tb_logger") and find_spec("tensorboard") is None:
        raise UserError(
            "logger.use_tb_logger: tensorboard is not installed: pip install tensorboard, or set it to false"
        )
    wandb = logger.get("wandb") or {}
    if wandb.get("project") is not None:
        if not logger.get("use_tb_logger"):
            raise UserError("logger.wandb needs logger.use_tb_logger: true")
        if find_spec("wandb") is None:
            raise UserError("logger.wandb: wandb is not installed: pip install wandb, or remove the section")


def check_acceleration(opt: dict[str, Any], net: nn.Module) -> None:
    """Raise ``UserError`` if ``net`` does not support the options of ``SSIUModel`` for speed and memory."""
    from basicsr.utils.registry import MODEL_REGISTRY

    model = MODEL_REGISTRY.get(opt["model_type"])
    if isinstance(model, type) and issubclass(model, SSIUModel):
        acceleration.check(net, opt.get("train") or {})
        acceleration.check_compile("val.compile", (opt.get("val") or {}).get("compile"))


PARTS = (
    ("scale", _check_scale),
    ("schedule", _check_schedule),
    ("channels", _check_channels),
    ("micro_batch_size", _check_micro_batch),
    ("losses", _check_losses),
    ("logger", _check_logger),
    ("val", _check_validation),
)
