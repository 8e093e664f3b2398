"""Equal work: SSIU, its ablations and its rivals trained alike on the same photos, in one table and one figure.

    python -m benchmarks.equal_work train --hr HR_sub.lmdb --lr LR_sub.lmdb --val-hr HR --val-lr LR
    python -m benchmarks.equal_work table --figure equal_work.png

Each training has 3,000 iterations of 4 LR patches of 32x32, x4, from random weights. Data, optimiser, schedule and
precision are the same; one ablation has another loss. The trainings run one after the other in the current folder.
Interrupt ``train`` whenever you like: the same command continues it. ``table`` shows the trainings that have ended.
"""

import argparse
import math
import os
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.train_weights.log import read_logs
from ssiu_arch.cli import main as command
from ssiu_arch.utils import ending, option_yaml
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import new_file, write_file
from ssiu_arch.utils.table import Table

OPTIONS = Path(__file__).parents[1] / "options"
EXPERIMENTS = Path("experiments")
RUNS = {  # name: option file and seed; most wanted first, because a series may be broken off
    "SSIU-0": ("train_SSIU_x4.yml", 0),
    "SAFMN": ("rivals/train_SAFMN_x4.yml", 0),
    "EDSR-M": ("rivals/train_EDSR-M_x4.yml", 0),
    "SSIU-1": ("train_SSIU_x4.yml", 1),
    "SSIU-noMoEFS": ("ablation/train_SSIU_x4_noMoEFS.yml", 0),
    "SSIU-L1": ("ablation/train_SSIU_x4_L1.yml", 0),
    "SSIU-SAM": ("ablation/train_SSIU_x4_SAM.yml", 0),
    "SSIU-2": ("train_SSIU_x4.yml", 2),
    "SwinIR-light": ("rivals/train_SwinIR-light_x4.yml", 0),
}
SEEDS = ("SSIU-0", "SSIU-1", "SSIU-2")
PATCH = 32  # side in LR pixels
END, PARAMETERS = "End of training", re.compile(r"with parameters: ([\d,]+)")  # BasicSR logs both


def options(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a training: its option file, with the work that all share."""
    file, seed = RUNS[name]
    opt, iterations = option_yaml.load(OPTIONS / file), given.iterations
    pairs, val, train = opt["datasets"]["train"], opt["datasets"]["val"], opt["train"]
    for data, hr, lr in ((pairs, given.hr, given.lr), (val, given.val_hr, given.val_lr)):
        kind = "lmdb" if hr.suffix == ".lmdb" else "disk"
        data.update(dataroot_gt=str(hr), dataroot_lq=str(lr), io_backend={"type": kind}, filename_tmpl="{}")
    val["name"] = "validation"
    pairs.update(gt_size=4 * PATCH, batch_size_per_gpu=4, prefetch_mode=None, pin_memory=False)
    pairs.update(num_worker_per_gpu=0, persistent_workers=False)
    train.update(precision="bf16", channels_last=True, total_iter=iterations)
    train["scheduler"]["periods"] = [iterations]
    if "fft_opt" in train:
        train["fft_opt"]["loss_weight"] *= 64 / PATCH  # the files have patches of 64x64; the loss grows with the side
    opt["val"].update(val_freq=max(iterations // 6, 1), bicubic=False)
    del opt["val"]["metrics"]["ssim"]
    logger = {"print_freq": max(iterations // 60, 1), "save_checkpoint_freq": max(iterations // 12, 1)}
    return {**opt, "name": f"equal_{name}", "manual_seed": seed, "logger": {**logger, "use_tb_logger": False}}


def count_cpu_seconds() -> None:
    """Make ``SSIUModel`` log ``cpu``: CPU seconds per iteration, all threads, averaged since the last log line.

    Loading and validation do not count. Elapsed time would count other programs, too.
    """
    from ssiu_arch.models.ssiu_model import SSIUModel

    optimize, current_log, spent = SSIUModel.optimize_parameters, SSIUModel.get_current_log, []

    def optimize_parameters(self: SSIUModel, current_iter: int) -> None:
        begin = time.process_time()
        optimize(self, current_iter)
        spent.append(time.process_time() - begin)

    def get_current_log(self: SSIUModel) -> dict[str, float]:
        cpu = statistics.fmean(spent)
        spent.clear()
        return {**current_log(self), "cpu": cpu}

    SSIUModel.optimize_parameters, SSIUModel.get_current_log = optimize_parameters, get_current_log


def train(given: argparse.Namespace) -> int:
    """Train all runs that have not ended; return the exit code.

    BasicSR's logger and seeds belong to the process, so that each training needs a fresh one. This process becomes the
    next one (exec) after each training. So a series is one process: end it, and nothing is left running.
    """
    done = [each.name for each in ended()]
    if unfinished := [name for name in given.runs if name not in done]:
        file = EXPERIMENTS / f"equal_{unfinished[0]}.yml"
        write_file(file, yaml.safe_dump(options(unfinished[0], given)).encode())
        count_cpu_seconds()
        if code := command.main(["train", "-opt", str(file), "--auto_resume"]):
            return code
        os.execv(sys.executable, sys.orig_argv)
    return 0


class Result(NamedTuple):
    """An ended training: iterations, CPU seconds and PSNR in dB at each validation; the network's parameters."""

    name: str
    iterations: tuple[int, ...]
    seconds: tuple[float, ...]
    psnr: tuple[float, ...]
    parameters: str


def ended() -> list[Result]:
    """Return the trainings that have ended, in the order of ``RUNS``."""
    results = []
    for name in RUNS:
        folder = EXPERIMENTS / f"equal_{name}"
        text = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.log"))
        if END in text:
            points, seconds, last = [], 0.0, 0
            for row in read_logs(folder):
                seconds, last = seconds + row.losses.get("cpu", math.nan) * (row.iteration - last), row.iteration
                if row.psnr is not None:
                    points.append((last, seconds, row.psnr))
            results.append(Result(name, *zip(*points, strict=True), PARAMETERS.findall(text)[-1]))
    return results


def table(results: list[Result]) -> Table:
    """Return PSNR at the end, CPU seconds and parameters; the seeds of SSIU share a row, as mean and range."""
    seeds = [each for each in results if each.name in SEEDS]
    if not seeds:
        raise UserError(f"{EXPERIMENTS.absolute()}: no training of SSIU has ended, with which to compare")
    scores = [each.psnr[-1] for each in seeds]
    mean, seconds = statistics.fmean(scores), statistics.fmean(each.seconds[-1] for each in seeds)
    spread = f"{mean:.3f} ({min(scores):.3f} to {max(scores):.3f})"
    rows = [(f"SSIU, seeds: {len(seeds)}", [spread, "0", f"{seconds:,.0f}", seeds[0].parameters])]
    for each in (each for each in results if each not in seeds):
        cells = [f"{each.psnr[-1]:.3f}", f"{each.psnr[-1] - mean:+.3f}", f"{each.seconds[-1]:,.0f}", each.parameters]
        rows.append((each.name, cells))
    title = f"{results[0].iterations[-1]:,} iterations"
    return Table(title, ["PSNR (dB)", "to SSIU", "CPU seconds", "parameters"], rows)


def figure(results: list[Result]) -> Any:
    """Return two plots: validation PSNR over iterations, and over CPU seconds."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = drawing.subplots(1, 2, sharey=True)
    for number, each in enumerate(results):
        colour = "black" if each.name in SEEDS else f"C{number}"
        left.plot(each.iterations, each.psnr, ".-", color=colour, label=each.name)
        right.plot(each.seconds, each.psnr, ".-", color=colour)
    left.set(xlabel="iterations", ylabel="PSNR on Y (dB)")
    right.set(xlabel="CPU seconds of training")
    drawing.legend(loc="outside lower center", ncols=5, frameon=False)
    return drawing


def parser() -> argparse.ArgumentParser:
    """Return the parser of the two verbs."""
    form = {"description": __doc__, "formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("python -m benchmarks.equal_work", **form)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser("train", help="train what has not ended; continue what was interrupted").add_argument
    for name, text in (("--hr", "HR photos"), ("--lr", "their x4 LR images")):
        add(name, type=Path, required=True, metavar="PATH", help=f"{text} to train on: folder or .lmdb")
        add(f"--val-{name[2:]}", type=Path, required=True, metavar="PATH", help=f"{text} to validate on")
    add("--iterations", type=int, default=3000, help="iterations of each training (default: 3000)")
    add("--runs", nargs="+", choices=RUNS, default=RUNS, metavar="NAME", help=f"of {', '.join(RUNS)} (default: all)")
    table = verbs.add_parser("table", help="print the table of the trainings that have ended")
    table.add_argument("--figure", type=Path, metavar="FILE", help="PNG of PSNR over iterations and CPU seconds")
    return parser


def show(given: argparse.Namespace) -> None:
    """Print the table of the trainings that have ended, and draw the figure if it is asked for."""
    results = ended()
    print(table(results).markdown(), end="")
    if given.figure:
        with new_file(given.figure) as file:
            figure(results).savefig(file, format="png", metadata={"Software": None})


def main() -> int:
    """Run the command line; return the exit code."""
    given = parser().parse_args()
    work = {"train": train, "table": show}[given.verb]
    return ending.ended(f"equal_work {given.verb}", lambda: work(given))


if __name__ == "__main__":
    sys.exit(main())
