"""How long an iteration of a training takes, and how much memory, in each way that SSIUModel has to be faster.

    python benchmarks/training.py --variants fp32 bf16 bf16+channels_last+checkpointing --batch 4 --patch 32

A variant is words joined by +: ``fp32``, ``tf32``, ``bf16`` (fp32 unless one of them is said), ``channels_last``,
``compile``, ``autotune`` (compiled, kernels chosen by trial), ``checkpointing``, ``micro10`` (10 images at a time),
``ema``, ``clip``, ``unfused`` (optimiser) and ``reading`` (the losses are read in every iteration, as BasicSR does).

Each is a real ``SSIUModel`` on random patches, copied to the device for every iteration. The variants take turns, and
the median of a variant's turns counts. Memory is measured in a process of its own: on the CPU the highest resident
memory of the process above that before the iteration, on CUDA the highest allocated memory.
"""

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
from collections import Counter
from functools import partial
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

import ssiu_arch  # noqa: F401  (repairs BasicSR before it is imported)
from ssiu_arch.models import acceleration
from ssiu_arch.tools.profile.latency import by_host_clock, in_turns
from ssiu_arch.tools.profile.memory import device_peak, resident_peak
from ssiu_arch.utils.precisions import TRAINING_PRECISIONS

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
GROUPS = {  # of operators, by parts of their names; the first that fits
    "optimiser, average, clipping": ("adam", "_foreach"),
    "convolutions": ("conv", "im2col"),
    "attention": ("attention",),
    "matrix products": ("mm", "addmv", "dot"),
    "normalisation": ("norm",),
    "Fourier transforms": ("fft",),
    "padding, pooling, resizing": ("pad", "pool", "upsample", "pixel_shuffle", "index", "unfold", "col2im"),
    "activations": ("gelu", "softmax"),
    "compiled": ("triton", "compiled", "cpp_fused", "graph"),
    "copies and casts": ("copy", "cat", "clone", "stack", "fill", "zero", "empty"),
    "additions, products, sums": ("add", "mul", "sub", "div", "sum", "mean", "abs", "sgn", "sign"),
}


class Variant:
    """A model in one of the ways, and a batch for it."""

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
    """The name of a variant, each word of which is one."""
    for word in name.split("+"):
        if word not in WORDS and not (word[:5] == "micro" and word[5:].isdecimal() and int(word[5:])):
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(WORDS)}, microN")
    return name


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = ["fp32+reading", "fp32", "channels_last", "bf16", "checkpointing", "bf16+channels_last+checkpointing"]
    parser.add_argument("--variants", nargs="+", type=known, default=default, metavar="WORD+WORD")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--patch", type=int, default=64, help="side of the LR patch")
    parser.add_argument("--upscale", type=int, default=4)
    parser.add_argument("--network", type=json.loads, default={}, help="other arguments of SSIU: '{\"num_feat\": 16}'")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each variant")
    parser.add_argument("--iterations", type=int, default=1, help="iterations of a turn")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-time", action="store_true", help="memory alone")
    parser.add_argument("--no-memory", action="store_true", help="time alone")
    parser.add_argument("--profile", action="store_true", help="say where the time of an iteration goes, instead")
    parser.add_argument("--memory-of", type=known, help=argparse.SUPPRESS)
    return parser.parse_args()


def peak(name: str, given: argparse.Namespace) -> int | None:
    """Bytes that an iteration takes at its peak, in this process."""
    variant, device = Variant(name, given), torch.device(given.device)
    if device.type == "cuda":
        return device_peak(variant.iterate, device, is_captured=False).bytes
    lq, gt, side = variant.lq, variant.gt, min(16, given.patch)
    variant.lq, variant.gt = lq[:1, :, :side, :side], gt[:1, :, : side * given.upscale, : side * given.upscale]
    variant.iterate()  # libraries are loaded, the optimiser has its moments
    variant.lq, variant.gt = lq, gt
    return resident_peak(variant.iterate).bytes


def peak_in_fresh_process(name: str) -> int | None:
    """``peak`` of the same command line in another process; None where it has not enough memory."""
    done = subprocess.run([sys.executable, *sys.argv, "--memory-of", name], stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def times(names: list[str], given: argparse.Namespace) -> dict[str, float]:
    """Median seconds of an iteration of each variant; they take turns."""
    variants = [Variant(name, given) for name in names]
    for variant in variants:
        variant.iterate(2)
    turns = {variant.name: partial(variant.iterate, given.iterations) for variant in variants}
    taken = in_turns(turns, given.rounds, warmup=0, stopwatch=by_host_clock)
    return {name: latency.median / given.iterations for name, latency in taken.items()}


def print_profile(name: str, given: argparse.Namespace) -> None:
    """Where the time of one iteration goes: groups of operators, and the first dozen of them."""
    variant = Variant(name, given)
    variant.iterate(2)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if given.device == "cuda" else [])]
    with profile(activities=activities) as profiler:
        variant.iterate()
    own: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in profiler.key_averages():
        if event.device_type == DeviceType.CPU:  # kernels of a GPU stand under the operators that started them
            own[event.key] += event.self_device_time_total if given.device == "cuda" else event.self_cpu_time_total
            calls[event.key] += event.count
    groups: Counter[str] = Counter()
    for operator, microseconds in own.items():
        fits = (group for group, parts in GROUPS.items() if any(part in operator.lower() for part in parts))
        groups[next(fits, "the rest")] += microseconds
    total = max(own.total(), 1)
    print(f"\n{name}: {total / 1000:.1f} ms in operators\n\n| group | ms | share |\n| --- | --- | --- |")
    for group, microseconds in groups.most_common():
        print(f"| {group} | {microseconds / 1000:.2f} | {microseconds / total:.0%} |")
    print("\n| operator | ms | share | calls |\n| --- | --- | --- | --- |")
    for operator, microseconds in own.most_common(12):
        print(f"| `{operator[:60]}` | {microseconds / 1000:.2f} | {microseconds / total:.0%} | {calls[operator]} |")


def main() -> None:
    """Measure every variant and print a table."""
    given = arguments()
    torch.set_num_threads(given.threads)
    torch.backends.cudnn.benchmark = True  # as BasicSR's training
    if given.memory_of:
        print(json.dumps(peak(given.memory_of, given)))
        return
    names = list(dict.fromkeys(given.variants))
    machine = torch.cuda.get_device_name() if given.device == "cuda" else f"{platform.machine()} CPU, {os.cpu_count()}"
    machine += "" if given.device == "cuda" else f" cores, {given.threads} threads"
    print(
        f"x{given.upscale}, batch {given.batch} of {given.patch}x{given.patch}, {machine}, torch {torch.__version__}\n"
    )
    if given.profile:
        for name in names:
            print_profile(name, given)
        return
    memory = {} if given.no_memory else {name: peak_in_fresh_process(name) for name in names}
    seconds = {} if given.no_time else times(names, given)
    print(f"| variant | s/iteration | it/s | time, to the first | peak memory, GB | {TOTAL:,} iterations |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in names:
        cells = ["-", "-", "-", "-", "-"]
        if name in seconds:
            taken = seconds[name]
            cells = [f"{taken:.4f}", f"{1 / taken:.3g}", f"{taken / seconds[names[0]]:.2f}", "-"]
            cells.append(f"{taken * TOTAL / 3600:.3g} h")
        if name in memory:
            held = memory[name]
            cells[3] = "none" if held is None else f"{held / 1e9:.3f}"
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
