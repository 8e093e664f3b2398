"""Time and peak memory of a training iteration, with each option of SSIUModel that makes it faster or smaller.

    python benchmarks/training.py --variants fp32 bf16 bf16+channels_last+checkpointing --batch 4 --patch 32

A variant joins words by +: ``fp32`` (the default), ``tf32``, ``bf16``, ``channels_last``, ``compile``, ``autotune``
(compiled, kernels chosen by trial), ``checkpointing``, ``micro10`` (10 images at a time), ``ema``, ``clip``,
``unfused`` (optimiser) and ``reading`` (reads the losses in every iteration, as BasicSR does).

Each variant trains a real ``SSIUModel`` on random patches. The variants take turns; the table has the medians. Peak
memory is that of one iteration in a fresh process: resident memory on the CPU, allocated memory on a GPU.
"""

import argparse
import json
import logging
import subprocess
import sys
from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

import ssiu_arch  # noqa: F401  (patches BasicSR before it is imported)
from ssiu_arch.models import acceleration
from ssiu_arch.utils.memory import device_peak, resident_peak
from ssiu_arch.utils.precisions import TRAINING_PRECISIONS
from ssiu_arch.utils.table import Table
from ssiu_arch.utils.timing import in_turns, machine

TOTAL = 1_000_500  # iterations of the paper's training
WORDS: dict[str, dict[str, Any]] = {
    **{precision: {"precision": precision} for precision in TRAINING_PRECISIONS},
    "channels_last": {"channels_last": True},
    "compile": {"compile": True},
    "autotune": {"compile": {"mode": "max-autotune-no-cudagraphs"}},
    "checkpointing": {"checkpointing": True},
    "ema": {"ema_decay": 0.999},
    "clip": {"grad_clip": 1.0},
    "unfused": {"optim_g": {"type": "AdamW", "lr": 1e-3, "weight_decay": 1e-4, "fused": False}},
    "reading": {},
}
TRAIN = {
    "precision": "fp32",
    "optim_g": {"type": "AdamW", "lr": 1e-3, "weight_decay": 1e-4, "betas": [0.9, 0.99]},
    "scheduler": {"type": "CosineAnnealingRestartLR", "periods": [TOTAL], "restart_weights": [1], "eta_min": 1e-6},
    "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
    "fft_opt": {"type": "FFTL1Loss", "loss_weight": 0.01, "reduction": "mean"},
}


class Variant:
    """A model with the options of a variant, and a batch for it."""

    def __init__(self, name: str, given: argparse.Namespace) -> None:
        from basicsr.models import build_model
        from basicsr.utils import get_root_logger

        get_root_logger(log_level=logging.WARNING)
        train: dict[str, Any] = dict(TRAIN)
        for word in name.split("+"):
            train.update({"micro_batch_size": int(word[5:])} if word[:5] == "micro" else WORDS[word])
        opt = {"model_type": "SSIUModel", "is_train": True, "dist": False, "path": {}, "train": train}
        opt |= {"num_gpu": int(given.device == "cuda"), "network_g": {"type": "SSIU", "upscale": given.upscale}}
        opt["network_g"] |= given.network
        torch.manual_seed(0)
        self.name, self.model, self.reads = name, build_model(opt), "reading" in name.split("+")
        self.lq = torch.rand(given.batch, 3, given.patch, given.patch)
        self.gt = torch.rand(given.batch, 3, given.patch * given.upscale, given.patch * given.upscale)
        if given.device == "cuda":
            self.lq, self.gt = self.lq.pin_memory(), self.gt.pin_memory()

    def iterate(self, times: int = 1) -> None:
        """Train so many iterations."""
        acceleration.set_precision(self.model.train_opt["precision"])  # the variant before may have left another
        for iteration in range(1, times + 1):
            self.model.feed_data({"lq": self.lq, "gt": self.gt})
            self.model.optimize_parameters(iteration)
            if self.reads:
                dict(self.model.get_current_log())
        if self.lq.is_pinned():
            torch.cuda.synchronize()


def known(name: str) -> str:
    """The name of a variant, its words checked."""
    for word in name.split("+"):
        if word not in WORDS and not (word[:5] == "micro" and word[5:].isdecimal() and int(word[5:])):
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(WORDS)}, microN")
    return name


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    default = ["fp32+reading", "fp32", "channels_last", "bf16", "checkpointing", "bf16+channels_last+checkpointing"]
    add("--variants", nargs="+", type=known, default=default, metavar="WORD+WORD", help="what to measure")
    add("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    add("--batch", type=int, default=40, help="images (default: 40)")
    add("--patch", type=int, default=64, help="side of the LR patch (default: 64)")
    add("--upscale", type=int, default=4, help="scale (default: 4)")
    add("--network", type=json.loads, default={}, help="more arguments of SSIU as JSON: '{\"num_feat\": 16}'")
    add("--rounds", type=int, default=5, help="turns of each variant (default: 5)")
    add("--iterations", type=int, default=1, help="iterations of a turn (default: 1)")
    add("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    add("--no-time", action="store_true", help="leave out time")
    add("--no-memory", action="store_true", help="leave out memory")
    add("--profile", action="store_true", help="print the operators that take most time instead")
    add("--memory-of", type=known, help=argparse.SUPPRESS)
    return parser.parse_args()


def peak(name: str, given: argparse.Namespace) -> int | None:
    """Bytes that one iteration adds at its peak, in this process."""
    variant, device = Variant(name, given), torch.device(given.device)
    if device.type == "cuda":
        return device_peak(variant.iterate, device, is_captured=False)
    lq, gt, side = variant.lq, variant.gt, min(16, given.patch)
    variant.lq, variant.gt = lq[:1, :, :side, :side], gt[:1, :, : side * given.upscale, : side * given.upscale]
    variant.iterate()  # libraries are loaded, the optimiser has its moments
    variant.lq, variant.gt = lq, gt
    return resident_peak(variant.iterate)


def peak_in_fresh_process(name: str) -> int | None:
    """``peak`` of the same command line in another process; None if that fails, as for want of memory."""
    done = subprocess.run([sys.executable, *sys.argv, "--memory-of", name], stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def times(names: list[str], given: argparse.Namespace) -> dict[str, float]:
    """Median seconds of an iteration of each variant; they take turns."""
    variants = [Variant(name, given) for name in names]
    for variant in variants:
        variant.iterate(2)
    turns = {variant.name: partial(variant.iterate, given.iterations) for variant in variants}
    taken = in_turns(turns, given.rounds, warmup=0)
    return {name: latency.median / given.iterations for name, latency in taken.items()}


def operators(name: str, given: argparse.Namespace) -> str:
    """A table of the operators that take most of the time of one iteration."""
    variant = Variant(name, given)
    variant.iterate(2)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if given.device == "cuda" else [])]
    with profile(activities=activities) as profiler:
        variant.iterate()
    return profiler.key_averages().table(sort_by=f"self_{given.device}_time_total", row_limit=15)


def main() -> None:
    """Measure every variant and print a table."""
    given = arguments()
    torch.set_num_threads(given.threads)
    torch.backends.cudnn.benchmark = True  # as BasicSR's training
    if given.memory_of:
        print(json.dumps(peak(given.memory_of, given)))
        return
    names = list(dict.fromkeys(given.variants))
    where = f"{machine(torch.device(given.device))}, torch {torch.__version__}, {given.threads} CPU threads"
    title = f"x{given.upscale}, batch {given.batch} of {given.patch}x{given.patch}; {where}"
    if given.profile:
        for name in names:
            print(f"{name}\n{operators(name, given)}")
        return
    memory = {} if given.no_memory else {name: peak_in_fresh_process(name) for name in names}
    seconds = {} if given.no_time else times(names, given)
    table = Table(title, ["s/iteration", "ratio to the first", f"hours for {TOTAL:,}", "peak memory, GB"])
    for name in names:
        cells = ["-"] * 4
        if name in seconds:
            taken = seconds[name]
            cells[:3] = f"{taken:.4f}", f"{taken / seconds[names[0]]:.2f}", f"{taken * TOTAL / 3600:.3g}"
        if name in memory:
            held = memory[name]
            cells[3] = "unknown" if held is None else f"{held / 1e9:.3f}"
        table.rows.append((name, cells))
    print(table.markdown(), end="")


if __name__ == "__main__":
    main()
