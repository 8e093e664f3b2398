"""One training iteration for trial, and the metrics once: what would otherwise show after the data sets are loaded."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ssiu_arch.checks.finding import Finding
from ssiu_arch.checks.outputs import BYTES, size
from ssiu_arch.checks.peak import PeakBytes
from ssiu_arch.checks.training import is_ssiu_model
from ssiu_arch.models import acceleration
from ssiu_arch.utils.errors import UserError

SECONDS = 10.0  # to be spent on the trial where there is no GPU
CPU_PATCH = 64  # LR pixels a side, beyond which the CPU tries a part of the patch
MOST_PARAMETERS = 10**8  # a larger network is not tried on the CPU


@dataclass(frozen=True)
class Trial:
    """What one iteration took.

    Attributes:
        seconds: for the whole batch of a process.
        memory: bytes at the peak.
        tried: images of the batch that were really tried.
        whole: whether that was the batch, at the real patch size.
    """

    seconds: float
    memory: float
    tried: int
    whole: bool


def metrics(opt: dict[str, Any]) -> Iterator[Finding]:
    """Run every metric of ``val`` once, on a pair of small images."""
    from basicsr.metrics import calculate_metric

    for name, options in ((opt.get("val") or {}).get("metrics") or {}).items():
        side = 2 * (options.get("crop_border") or 0) + 96  # NIQE's blocks
        noise = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
        try:
            value = calculate_metric({"img": noise[0], "img2": noise[1]}, options)
        except Exception as error:  # anybody's metric, anything
            reason = " ".join(str(error).split())
            yield Finding("error", f"val.metrics.{name}", f"{options['type']}: {type(error).__name__}: {reason}")
        else:
            yield Finding("ok", f"val.metrics.{name}", f"{options['type']} gives {value:.4g} for noise")


def iteration(opt: dict[str, Any], net: nn.Module) -> Iterator[Finding]:
    """Run ``net`` forward and backward once, with the losses of the option file, and say what that takes."""
    parameters = sum(parameter.numel() for parameter in net.parameters())
    device = torch.device("cuda" if torch.cuda.is_available() and opt["num_gpu"] != 0 else "cpu")
    if device.type == "cpu" and parameters > MOST_PARAMETERS:
        yield Finding("warning", "iteration", f"{parameters:,} parameters are too many to try on a CPU")
        return
    try:
        trial = run(opt, net.to(device), device)
    except torch.OutOfMemoryError:
        said = f"a batch of {part(opt)} does not fit into the GPU's memory: lower batch_size_per_gpu"
        yield Finding("error", "iteration", f"{said}, or set train.checkpointing or train.micro_batch_size (SSIUModel)")
    except UserError as error:
        yield Finding("error", "iteration", str(error))
    else:
        batch = opt["datasets"]["train"]["batch_size_per_gpu"]
        how = "" if trial.whole else f", extrapolated from {trial.tried} of its images"
        how += ", without compile" if opt["train"].get("compile") and device.type == "cpu" else ""
        total = trial.seconds * float(opt["train"]["total_iter"])
        yield Finding(
            "ok",
            "iteration",
            f"a batch of {batch} on the {device.type} takes {trial.seconds:.3g} s and about {size(trial.memory)}{how}; "
            f"all {int(opt['train']['total_iter']):,} iterations, {_duration(total)}",
        )


def part(opt: dict[str, Any]) -> int:
    """Images that go through the network at once."""
    return min(opt["train"].get("micro_batch_size") or math.inf, opt["datasets"]["train"]["batch_size_per_gpu"])


def run(opt: dict[str, Any], net: nn.Module, device: torch.device) -> Trial:
    """Try as much of an iteration as is quickly done, by the options of the model for speed and memory.

    Raises:
        UserError: the network's result has another size than GT, or network or loss fail.
        torch.OutOfMemoryError: the GPU is too small.
    """
    train, scale, faster_ways = opt["datasets"]["train"], opt["scale"], ways(opt, device)
    side, at_once = train["gt_size"] // scale, part(opt)
    losses = list(_losses(opt["train"], device))
    parameters = list(net.parameters())
    acceleration.set_precision(faster_ways.get("precision"))
    net = acceleration.prepare(net, faster_ways)

    def once(images: int, side: int) -> float:
        return _once(net, losses, (images, 3, side, side), scale, device, faster_ways)

    if device.type == "cuda":
        once(at_once, side)  # kernels are chosen
        torch.cuda.reset_peak_memory_stats()
        seconds = once(at_once, side)
        memory = float(torch.cuda.max_memory_allocated()) + _states(opt, net)
        return Trial(seconds * train["batch_size_per_gpu"] / at_once, memory, at_once, True)

    tried_side = min(side, CPU_PATCH)
    area = (side / tried_side) ** 2
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    with PeakBytes([*parameters, *(parameter.grad for parameter in parameters if parameter.grad is not None)]) as alive:
        once(1, tried_side)
    seconds = once(1, tried_side)
    images = max(1, min(at_once, int(SECONDS / (3 * seconds))))
    if images > 1:
        seconds = once(images, tried_side)
    memory = alive.peak * area * at_once + _states(opt, net) + _size_of(net)
    batch = train["batch_size_per_gpu"]
    return Trial(seconds / images * area * batch, memory, images, area == 1 and images == batch)


def ways(opt: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The options by which ``SSIUModel`` is faster; on the CPU without ``compile``, which takes a minute there."""
    if not is_ssiu_model(opt):
        return {}
    train = dict(opt["train"])
    if device.type == "cpu":
        train.pop("compile", None)
    return train


def _once(
    net: nn.Module, losses: list[Any], shape: tuple[int, ...], scale: int, device: torch.device, train: dict[str, Any]
) -> float:
    """Seconds of forward and backward for LQ of such a shape."""
    layout = acceleration.memory_format(train)
    lq = torch.rand(shape, device=device).to(memory_format=layout)
    gt = torch.rand((*shape[:2], shape[2] * scale, shape[3] * scale), device=device).to(memory_format=layout)
    net.train().zero_grad(set_to_none=False)
    started = time.perf_counter()
    with _saying_what_fails("network_g"), acceleration.autocast(device, train.get("precision")):
        output = net(lq)
    if isinstance(output, Tensor):
        if output.shape != gt.shape:
            raise UserError(f"network_g makes {tuple(output.shape)} of {tuple(lq.shape)}, GT is {tuple(gt.shape)}")
        output = output.float()
    with _saying_what_fails("the losses"):
        total = sum((loss(output, gt) for loss in losses), torch.zeros((), device=device))
        (total if losses else output.square().mean()).backward()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


@contextmanager
def _saying_what_fails(what: str) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, UserError):
        raise
    except Exception as error:  # anybody's network, anything
        reason = " ".join(str(error).split())
        raise UserError(f"{what}: an iteration fails: {type(error).__name__}: {reason}") from error


def _losses(train: dict[str, Any], device: torch.device) -> Iterator[Any]:
    """The pixel losses. A perceptual one would fetch the weights of VGG."""
    from basicsr.utils.registry import LOSS_REGISTRY

    for section in ("pixel_opt", "fft_opt"):
        options = deepcopy(train.get(section) or {})
        if options:
            with _saying_what_fails(f"train.{section}"):
                yield LOSS_REGISTRY.get(options.pop("type"))(**options).to(device)


def _size_of(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters()) * 2 * BYTES  # and gradients


def _states(opt: dict[str, Any], net: nn.Module) -> int:
    """Bytes of the optimiser's moments and of the moving average."""
    copies = 2 + (1 if opt["train"].get("ema_decay") else 0)
    return sum(parameter.numel() for parameter in net.parameters()) * copies * BYTES


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
