"""Options of a training that contradict each other and would show only when it runs, or after hours."""

import inspect
from typing import Any

from ssiu_arch.errors import UserError


def check(opt: dict[str, Any]) -> None:
    """Raise ``UserError`` where scale, schedule or loss options cannot work together."""
    _check_scale(opt)
    if opt.get("train"):
        _check_schedule(opt["train"])
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


def _check_schedule(train: dict[str, Any]) -> None:
    for needed in ("total_iter", "optim_g", "scheduler"):
        if not train.get(needed):
            raise UserError(f"train.{needed} is missing")
    for section in ("optim_g", "scheduler"):
        if "type" not in train[section]:
            raise UserError(f"train.{section}.type is missing")
    periods = train["scheduler"].get("periods")
    if periods is not None and sum(periods) < int(train["total_iter"]):
        total = int(train["total_iter"])
        raise UserError(f"train.scheduler.periods add up to {sum(periods)}, fewer than train.total_iter ({total})")


def _check_losses(train: dict[str, Any]) -> None:
    from basicsr.utils.registry import LOSS_REGISTRY

    for section, options in train.items():
        if section.endswith("_opt") and isinstance(options, dict) and "type" in options:
            loss = LOSS_REGISTRY.get(options["type"])
            arguments = {name: value for name, value in options.items() if name != "type"}
            try:
                inspect.signature(loss).bind(**arguments)
            except TypeError as error:
                raise UserError(f"train.{section}: {options['type']} takes other arguments: {error}") from error
