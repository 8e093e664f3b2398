"""Options that contradict each other, which a run would notice only after its start, or after hours."""

import math
import os
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ssiu_arch.checks.finding import located
from ssiu_arch.checks.options import MODELS, check_arguments
from ssiu_arch.models import acceleration
from ssiu_arch.models.ssiu_model import SSIUModel
from ssiu_arch.patches.compat.models import OPTIMIZERS
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import existing_parent


def check_gpus(opt: dict[str, Any], processes: int | None) -> None:
    """Raise ``UserError`` for fewer GPUs than ``num_gpu``, or several without a launcher (``processes``: None) and
    ``train.compile``."""
    here, asked = torch.cuda.device_count(), opt["num_gpu"]
    gpus = here if asked == "auto" else asked
    if 0 < here < gpus:
        raise UserError(f"num_gpu ({asked}) must be at most {here}, the number of GPUs here")
    if processes is None and min(gpus, here) > 1 and (opt.get("train") or {}).get("compile"):
        raise UserError(f"train.compile with {gpus} GPUs needs a process for each: --launcher pytorch, or num_gpu: 1")


def _check_scale(opt: dict[str, Any]) -> None:
    for word in ("upscale", "scale"):
        value = opt["network_g"].get(word, opt["scale"])
        if value != opt["scale"]:
            raise UserError(f"network_g.{word} ({value}) and scale ({opt['scale']}) differ: set both to one number")


def _check_datasets(opt: dict[str, Any]) -> None:
    """Options of one data set that do not fit those of another, the scale, or the model."""
    names: dict[str, str] = {}
    for phase, dataset in opt["datasets"].items():
        gt_size, name = dataset.get("gt_size"), dataset["name"]
        if phase == "train" and gt_size is not None and gt_size % opt["scale"]:
            raise UserError(f"datasets.{phase}.gt_size ({gt_size}) must be divisible by scale ({opt['scale']})")
        if name in names:
            raise UserError(f"datasets.{phase}.name ({name!r}) is also datasets.{names[name]}.name: set its own name")
        names[name] = phase


def _check_schedule(opt: dict[str, Any]) -> None:
    """Make the optimiser and the schedule for one number, as the model will."""
    from basicsr.utils.registry import MODEL_REGISTRY

    train = opt.get("train")
    if not train:
        return
    model = MODEL_REGISTRY.get(opt["model_type"])
    dummy: Any = model.__new__(model)  # has the model's optimisers and schedulers, but no network
    dummy.opt, dummy.is_train, dummy.optimizers, dummy.schedulers = deepcopy(opt), True, [], []
    options = dict(train["optim_g"])
    kind = options.pop("type")
    if hasattr(torch.optim, kind):
        check_arguments("train.optim_g", getattr(torch.optim, kind), options, given="params")
    with located("train.optim_g", train["optim_g"], "" if kind in OPTIMIZERS else f"write {' or '.join(OPTIMIZERS)}"):
        dummy.optimizers.append(dummy.get_optimizer(kind, [nn.Parameter(torch.zeros(1))], **options))
    with located("train.scheduler", train["scheduler"], "write CosineAnnealingRestartLR or MultiStepRestartLR"):
        dummy.setup_schedulers()
    periods, total = train["scheduler"].get("periods", [math.inf]), int(train["total_iter"])
    if sum(periods) < total:
        raise UserError(f"train.scheduler.periods ({periods}) must add up to train.total_iter ({total}): raise them")


def _check_losses(opt: dict[str, Any]) -> None:
    from basicsr.utils.registry import LOSS_REGISTRY

    train, known_model = opt.get("train") or {}, opt["model_type"] in MODELS
    for section, given in train.items():
        if not section.endswith("_opt") or not given or not isinstance(given, dict):
            continue
        options = dict(given)
        kind = options.pop("type", None)
        if kind is not None:
            check_arguments(f"train.{section}", LOSS_REGISTRY.get(kind), options)
        if kind is not None and section != "perceptual_opt":  # which would download the weights of VGG
            with located(f"train.{section}", options):
                LOSS_REGISTRY.get(kind)(**options)
        if train.get("micro_batch_size") and options.get("reduction") == "sum":  # parts add up only if losses are means
            raise UserError(f"train.{section}.reduction (sum) must be mean with train.micro_batch_size")
    if train and known_model and not (train.get("pixel_opt") or train.get("perceptual_opt")):
        raise UserError("train.pixel_opt is missing: add a loss")


def _check_validation(opt: dict[str, Any]) -> None:
    """Options that would stop the first validation."""
    from basicsr.utils.registry import METRIC_REGISTRY

    val = opt.get("val") or {}
    tile, overlap = val.get("tile"), val.get("tile_overlap")
    if tile and overlap and overlap > tile // 2:
        raise UserError(f"val.tile_overlap ({overlap}) must be at most half of val.tile ({tile})")
    for name, given in (val.get("metrics") or {}).items():
        options = {key: value for key, value in given.items() if key not in ("type", "better", "float_output")}
        check_arguments(f"val.metrics.{name}", METRIC_REGISTRY.get(given["type"]), options, given="img img2")


def _check_outputs(opt: dict[str, Any]) -> str:
    kinds = ["experiments", *(["tb_logger"] if opt["logger"].get("use_tb_logger") else [])]
    folders = [Path(kind, opt["name"]) for kind in (kinds if opt.get("train") else ["results"])]
    for folder in folders:
        above = existing_parent(folder.parent)
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise UserError(f"{folder} cannot be created, {above} is no writable folder: move it or change its mode")
    return f"{' and '.join(map(str, folders))} can be written"


def _check_logger(opt: dict[str, Any]) -> None:
    logger = opt["logger"] if opt.get("train") else {}
    with_wandb = (logger.get("wandb") or {}).get("project") is not None
    if with_wandb and not logger.get("use_tb_logger"):
        raise UserError("logger.wandb needs logger.use_tb_logger: true")
    for package, is_used in (("tensorboard", logger.get("use_tb_logger")), ("wandb", with_wandb)):
        if is_used and find_spec(package) is None:
            raise UserError(f"logger: {package} is not installed: pip install {package}, or remove its option")


def check_acceleration(opt: dict[str, Any], net: nn.Module) -> None:
    """Apply ``SSIUModel``'s options for speed and memory to ``net``; raise ``UserError`` if it does not support one."""
    from basicsr.utils.registry import MODEL_REGISTRY

    model, in_validation = MODEL_REGISTRY.get(opt["model_type"]), (opt.get("val") or {}).get("compile")
    if isinstance(model, type) and issubclass(model, SSIUModel):
        acceleration.prepare(net, opt.get("train") or {})
        if in_validation:
            acceleration.compile_network(nn.Identity(), "val.compile", in_validation)


PARTS = (
    ("scale", _check_scale),
    ("datasets", _check_datasets),
    ("schedule", _check_schedule),
    ("losses", _check_losses),
    ("logger", _check_logger),
    ("val", _check_validation),
    ("outputs", _check_outputs),
)
