"""Options of a training that contradict each other and would show only when it runs, or after hours."""

import inspect
from typing import Any

import torch

from ssiu_arch.errors import UserError
from ssiu_arch.models.ssiu_model import SSIUModel
from ssiu_arch.repairs import optimizers


def check(opt: dict[str, Any]) -> None:
    """Raise ``UserError`` where scale, schedule or loss options cannot work together."""
    _check_scale(opt)
    if opt.get("train"):
        _check_schedule(opt)
        _check_losses(opt["train"])


def _check_scale(opt: dict[str, Any]) -> None:
    scale = opt.get("scale")
    if scale is None:
        raise UserError("scale is missing: write the super-resolution factor, scale: 4")
    for word in ("upscale", "scale"):
        value = opt["network_g"].get(word, scale)
        if value != scale:
            raise UserError(
                f"network_g.{word} ({value}) and scale ({scale}) contradict each other: make them one number"
            )
    for phase, dataset in opt["datasets"].items():
        gt_size = dataset.get("gt_size")
        if gt_size is not None and gt_size % scale:
            raise UserError(f"datasets.{phase}.gt_size ({gt_size}) must be divisible by scale ({scale})")


def _check_schedule(opt: dict[str, Any]) -> None:
    from basicsr.models import lr_scheduler
    from basicsr.models.base_model import BaseModel
    from basicsr.utils.registry import MODEL_REGISTRY

    train = opt["train"]
    for needed in ("total_iter", "optim_g", "scheduler"):
        if not train.get(needed):
            raise UserError(f"train.{needed} is missing")
    model = MODEL_REGISTRY.get(opt["model_type"])
    if model.get_optimizer in (BaseModel.get_optimizer, SSIUModel.get_optimizer):  # else it may know other names
        known = {name: getattr(torch.optim, name) for name in optimizers.NAMES}
        _check_type("train.optim_g", train["optim_g"], known)
    if model.setup_schedulers is BaseModel.setup_schedulers:
        cosine, steps = lr_scheduler.CosineAnnealingRestartLR, lr_scheduler.MultiStepRestartLR
        known = {"CosineAnnealingRestartLR": cosine, "MultiStepRestartLR": steps, "MultiStepLR": steps}
        _check_type("train.scheduler", train["scheduler"], known)
    periods = train["scheduler"].get("periods")
    if periods is not None and sum(periods) < int(train["total_iter"]):
        total = int(train["total_iter"])
        raise UserError(f"train.scheduler.periods add up to {sum(periods)}, fewer than train.total_iter ({total})")


def _check_type(where: str, options: dict[str, Any], known: dict[str, Any]) -> None:
    name = options.get("type")
    if name is None:
        raise UserError(f"{where}.type is missing")
    if name not in known:
        raise UserError(f"{where}.type ({name}) must be one of {', '.join(known)}")
    _check_arguments(where, known[name], options, "params_or_optimizer")


def _check_arguments(where: str, made: Any, options: dict[str, Any], *leading: Any) -> None:
    arguments = {name: value for name, value in options.items() if name != "type"}
    try:
        inspect.signature(made).bind(*leading, **arguments)
    except TypeError as error:
        raise UserError(f"{where}: {options['type']} takes other arguments: {error}") from error


def _check_losses(train: dict[str, Any]) -> None:
    from basicsr.utils.registry import LOSS_REGISTRY

    for section, options in train.items():
        if section.endswith("_opt") and isinstance(options, dict) and "type" in options:
            _check_arguments(f"train.{section}", LOSS_REGISTRY.get(options["type"]), options)
