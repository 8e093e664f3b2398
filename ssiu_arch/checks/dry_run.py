"""``basicsr check``: every check of a run, with all problems reported instead of the first, and a trial of the run."""

import math
import os
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from ssiu_arch.checks import cheap_checks, datasets, network, options
from ssiu_arch.checks.finding import Finding, tried
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import size_text
from ssiu_arch.utils.option_yaml import load

CPU_SIDE = 64  # LR pixels: on a CPU, larger patches and images are cropped to this side
CPU_IMAGES = 2  # images of a batch that are tried on a CPU


def findings(path: str, overrides: list[str], strict: bool, processes: int | None) -> Iterator[Finding]:
    """Check a run and yield one finding after the other. Checks that depend on a failed one are skipped.

    Args:
        path: the option file, of a training if it has a section ``train``, else of a test.
        overrides: entries of ``--force_yml``.
        strict: whether an unknown option is an error; otherwise it is a warning.
        processes: of the run; None without a launcher.
    """
    try:
        is_train = "train" in load(path)
        opt = options.read(path, is_train, overrides)
    except UserError as error:
        yield Finding("error", "option file", str(error))
        return
    problems = options.problems(opt)
    for problem in problems:
        yield Finding("error", "option file", problem)
    if problems:
        return
    unknown = options.unknown(opt)
    for line in unknown:
        yield Finding("error" if strict else "warning", "option file", line)
    if not unknown:
        yield Finding("ok", "option file", f"{path}, a {'training' if is_train else 'test'}")

    types = tried("types", options.check_types, opt)
    yield types
    if types.level == "ok":
        yield from _of_registered_types(opt, is_train, processes)


def _of_registered_types(opt: dict[str, Any], is_train: bool, processes: int | None) -> Iterator[Finding]:
    failed, net = set(), None
    try:
        net = network.build(opt)
        count = sum(parameter.numel() for parameter in net.parameters())
        yield Finding("ok", "network_g", f"{opt['network_g']['type']}, {count:,} parameters")
    except UserError as error:
        yield Finding("error", "network_g", str(error))
    for what, check in cheap_checks(opt, net, processes):
        found = [tried(what, check)]
        if what.startswith("datasets.") and found[0].level == "ok":
            found = [*datasets.sample(what, opt["datasets"][what.removeprefix("datasets.")], opt["scale"])] or found
        yield from found
        failed |= {finding.what for finding in found if finding.level == "error"}
    if net is not None and failed <= {"logger"}:
        yield from Trial(opt, is_train).findings()


class Trial:
    """The model of a run, built by BasicSR for one process, and its first steps.

    A GPU runs the whole batch and whole images. A CPU runs two images of at most 64x64 LR pixels, without ``compile``.
    Perceptual losses are left out: they would download the weights of VGG.

    Args:
        opt: the options; they are not changed.
        is_train: whether the run is a training or a test.
    """

    def __init__(self, opt: dict[str, Any], is_train: bool) -> None:
        self.on_gpu = torch.cuda.is_available() and opt["num_gpu"] != 0
        self.is_train = is_train
        self.opt = _completed(opt, is_train, self.on_gpu)
        self.model: Any = None

    def findings(self) -> Iterator[Finding]:
        """Run the steps. Nothing is written."""
        built = tried("model", self.build)
        yield built
        if built.level == "error":
            return
        if self.is_train:
            yield tried("iteration", self.iterate)
        for phase in self.opt["datasets"]:
            if phase != "train" and self.opt.get("val"):
                yield tried(f"validation ({phase})", self.validate, phase)

    def build(self) -> str:
        """Build the model, with its losses, optimiser, scheduler and weights."""
        from basicsr.models import build_model

        self.model = build_model(self.opt)
        return f"{self.opt['model_type']} on the {'GPU' if self.on_gpu else 'CPU'}"

    def iterate(self) -> str:
        """Run one training iteration; returns its time and, on a GPU, its peak memory."""
        train, options = self.opt["train"], self.opt["datasets"]["train"]
        dataset = datasets.build("datasets.train", options, self.opt["scale"])
        batch = options["batch_size_per_gpu"]
        images = batch if self.on_gpu else min(batch, CPU_IMAGES)
        # Only the first image is read: of an LMDB, only sampled keys are known to be readable without a crash.
        data = self._cropped(default_collate([dataset[0] for _ in range(images)]))
        hook = self.model.net_g.register_forward_hook(self._check_size)
        for _ in range(2):  # the first iteration also allocates memory and chooses kernels
            started = time.perf_counter()
            self.model.update_learning_rate(1, warmup_iter=train.get("warmup_iter", -1))
            self.model.feed_data(data)
            self.model.optimize_parameters(1)
            dict(self.model.get_current_log())  # waits for the GPU
            seconds = time.perf_counter() - started
        hook.remove()
        memory = f" and {size_text(torch.cuda.max_memory_allocated())} of GPU memory" if self.on_gpu else ""
        return f"a batch of {len(data['lq'])} takes {seconds:.3g} s{memory}; the run's is {batch}"

    def validate(self, phase: str) -> str:
        """Validate on the first image of ``datasets.<phase>``, with the options of ``val``; without GT, no metrics."""
        options = self.opt["datasets"][phase]
        dataset = datasets.build(f"datasets.{phase}", options, self.opt["scale"])
        data = self._cropped(default_collate([dataset[0]]))
        loader = type("Loader", (list,), {"dataset": dataset})([data])  # BasicSR asks a loader for its data set
        self.model.opt["val"]["metrics"] = (self.opt["val"].get("metrics") or None) if "gt" in data else None
        started = time.perf_counter()
        self.model.validation(loader, 0, None, save_img=False)
        seconds = time.perf_counter() - started
        scores = getattr(self.model, "metric_results", {}) if self.model.opt["val"]["metrics"] else {}
        for name, value in scores.items():
            if math.isnan(value):
                raise UserError(f"val.metrics.{name} is nan for the first image of datasets.{phase}")
        listed = "".join(f", {name} {value:.4g}" for name, value in scores.items())
        return f"one image of {options['name']} takes {seconds:.3g} s{listed}"

    def _check_size(self, net: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        gt = getattr(self.model, "gt", None)
        if isinstance(output, Tensor) and isinstance(gt, Tensor) and output.shape[1:] != gt.shape[1:]:
            made = f"{tuple(output.shape)} from {tuple(inputs[0].shape)}"
            raise UserError(f"network_g returns {made}, but GT is {tuple(gt.shape)}: check its scale and channels")

    def _cropped(self, data: dict[str, Any]) -> dict[str, Any]:
        """The batch, on a CPU with images of at most 64x64 LR pixels."""
        sides = {} if self.on_gpu else {"lq": CPU_SIDE, "gt": CPU_SIDE * self.opt["scale"]}
        return data | {key: data[key][..., :side, :side] for key, side in sides.items() if key in data}


def _completed(opt: dict[str, Any], is_train: bool, on_gpu: bool) -> dict[str, Any]:
    """A copy of the options as BasicSR's ``parse_options`` completes them for one process."""
    opt = deepcopy(opt)
    opt.update(is_train=is_train, dist=False, rank=0, world_size=1, num_gpu=int(on_gpu))
    folder = Path("experiments" if is_train else "results", opt["name"])
    path = {key: os.path.expanduser(value) if isinstance(value, str) else value for key, value in opt["path"].items()}
    names = ("models", "training_states", "visualization", "experiments_root", "results_root", "log")
    opt["path"] = path | dict.fromkeys(names, str(folder))
    train, val = opt.get("train") or {}, opt.get("val") or {}
    val["pbar"] = False
    if train.pop("perceptual_opt", None):
        train["pixel_opt"] = train.get("pixel_opt") or {"type": "L1Loss"}
    if not on_gpu:
        for section in (train, val):
            section.pop("compile", None)
    return opt
