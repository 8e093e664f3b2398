"""Equal work: SSIU, its ablations and its rivals trained alike, on the same photos; then one table and one figure.

    python -m benchmarks.equal_work train --hr HR_sub.lmdb --lr LR_sub.lmdb --val-hr HR --val-lr LR
    python -m benchmarks.equal_work table --markdown equal_work.md --figure equal_work.png

Each training has 3,000 iterations of 4 LR patches of 32x32, x4, from random weights. Data, losses, optimiser, schedule
and precision are the same; only the network differs, and the loss of one ablation. They run one after the other in the
current folder (``experiments/equal_NAME``). Interrupt ``train`` whenever you like: the same command continues it.
``table`` reads the logs and needs no training to be at its end.
"""

import argparse
import io
import os
import re
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.train_weights.log import read_logs
from ssiu_arch.cli import main as command
from ssiu_arch.utils import option_yaml
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.table import Table

OPTIONS = Path(__file__).parents[1] / "options"
EXPERIMENTS = Path("experiments")
RUNS = {  # name: option file and seed, in the order in which a series that is broken off is worth most
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
BATCH, PATCH, SCALE = 4, 32, 4
END, PARAMETERS = "End of training", re.compile(r"with parameters: ([\d,]+)")


def options(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a training: those of its option file, with the work that all share."""
    file, seed = RUNS[name]
    opt, iterations = option_yaml.load(OPTIONS / file), given.iterations
    sets, train = opt["datasets"], opt["train"]
    for pairs, hr, lr in ((sets["train"], given.hr, given.lr), (sets["val"], given.val_hr, given.val_lr)):
        pairs.update(dataroot_gt=str(hr), dataroot_lq=str(lr))
        pairs["io_backend"] = {"type": "lmdb" if hr.suffix == ".lmdb" else "disk"}
    sets["train"].update(gt_size=PATCH * SCALE, batch_size_per_gpu=BATCH)
    sets["train"].update(num_worker_per_gpu=0, prefetch_mode=None, pin_memory=False, persistent_workers=False)
    sets["val"].update(name="validation", filename_tmpl="{}")
    train.update(precision="bf16", channels_last=True, total_iter=iterations)
    train["scheduler"]["periods"] = [iterations]
    if "fft_opt" in train:
        train["fft_opt"]["loss_weight"] *= (
            64 / PATCH
        )  # the files are for patches of 64x64; the loss grows with the side
    opt["val"].update(val_freq=max(iterations // 6, 1), bicubic=False)
    del opt["val"]["metrics"]["ssim"]
    opt["logger"] = {"print_freq": max(iterations // 60, 1), "save_checkpoint_freq": max(iterations // 12, 1)}
    return {**opt, "name": f"equal_{name}", "manual_seed": seed, "logger": {**opt["logger"], "use_tb_logger": False}}


def count_cpu_seconds() -> None:
    """Make ``SSIUModel`` log ``cpu``: CPU seconds of an iteration, all threads, mean since the last logged one.

    An iteration is forward pass, losses, backward pass and optimiser; neither loading nor validation counts. Elapsed
    time would count other programs, too.
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


def logs(name: str) -> str:
    """Return the text of all log files of a training."""
    return "".join(file.read_text(encoding="utf-8") for file in sorted((EXPERIMENTS / f"equal_{name}").glob("*.log")))


def train(given: argparse.Namespace) -> int:
    """Train what has not ended yet, one after the other; return an exit code.

    BasicSR's logger and its seeds belong to the process, so each training has a process of its own. It is always this
    one, which starts anew after a training: to stop the series, you end one process.
    """
    name = next((name for name in given.runs if END not in logs(name)), None)
    if name is None:
        return 0
    file = EXPERIMENTS / f"equal_{name}.yml"
    write_file(file, yaml.safe_dump(options(name, given)).encode())
    count_cpu_seconds()
    if code := command.main(["train", "-opt", str(file), "--auto_resume"]):
        return code
    os.execv(sys.executable, sys.orig_argv)


@dataclass
class Result:
    """An ended training: iterations, CPU seconds so far and PSNR in dB of its validations, and its parameters."""

    name: str
    iterations: list[int]
    seconds: list[float]
    psnr: list[float]
    parameters: int


def ended() -> list[Result]:
    """Return the trainings whose logs are complete, in the order of ``RUNS``."""
    results = []
    for name in RUNS:
        text = logs(name)
        if END not in text:
            continue
        result, seconds, last = Result(name, [], [], [], int(PARAMETERS.findall(text)[-1].replace(",", ""))), 0.0, 0
        for row in read_logs(EXPERIMENTS / f"equal_{name}"):
            seconds, last = seconds + row.losses["cpu"] * (row.iteration - last), row.iteration
            if row.psnr is not None:
                result.iterations.append(row.iteration)
                result.seconds.append(seconds)
                result.psnr.append(row.psnr)
        results.append(result)
    return results


def table(results: list[Result]) -> Table:
    """Return the scores at the end and the work; the seeds of SSIU share a row, with their mean and range."""
    seeds, others = ([each for each in results if is_ssiu(each) is wanted] for wanted in (True, False))
    rows = Table(
        "Equal work: the same photos, iterations, losses and schedule.", ["PSNR (dB)", "to SSIU", "CPU seconds"]
    )
    rows.columns.append("parameters")
    reference = statistics.fmean(each.psnr[-1] for each in seeds) if seeds else None
    if reference is not None:
        scores = sorted(each.psnr[-1] for each in seeds)
        psnr = f"{reference:.3f} ({scores[0]:.3f} to {scores[-1]:.3f})"
        seconds = statistics.fmean(each.seconds[-1] for each in seeds)
        rows.rows.append((f"SSIU, {len(seeds)} seeds", [psnr, "0", f"{seconds:,.0f}", f"{seeds[0].parameters:,}"]))
    for each in others:
        difference = "-" if reference is None else f"{each.psnr[-1] - reference:+.3f}"
        cells = [f"{each.psnr[-1]:.3f}", difference, f"{each.seconds[-1]:,.0f}", f"{each.parameters:,}"]
        rows.rows.append((each.name, cells))
    return rows


def is_ssiu(result: Result) -> bool:
    """Whether a training is one of the seeds of SSIU as published."""
    return RUNS[result.name][0] == "train_SSIU_x4.yml"


def figure(results: list[Result]) -> bytes:
    """Return two plots as PNG: validation PSNR over iterations and over CPU seconds."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 4.2), layout="constrained")
    panels = drawing.subplots(1, 2, sharey=True)
    labelled = set()
    for number, result in enumerate(results):
        label = "SSIU" if is_ssiu(result) else result.name
        style = {"color": "black"} if is_ssiu(result) else {"color": f"C{number}"}
        label = label if label not in labelled else "_" + label  # a label that begins with _ stays out of the legend
        labelled.add(label)
        panels[0].plot(result.iterations, result.psnr, ".-", label=label, **style)
        panels[1].plot(result.seconds, result.psnr, ".-", **style)
    panels[0].set(xlabel="iterations", ylabel="PSNR on Y (dB)")
    panels[1].set(xlabel="CPU seconds of training")
    drawing.legend(loc="outside lower center", ncols=4, frameon=False)
    data = io.BytesIO()
    drawing.savefig(data, dpi=100, metadata={"Software": None})
    return data.getvalue()


def parser() -> argparse.ArgumentParser:
    """Return the parser: ``train`` or ``table``, and the options of each."""
    parser = argparse.ArgumentParser("python -m benchmarks.equal_work", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    text = "train what has not ended yet; continues a training that was interrupted"
    add = verbs.add_parser("train", help=text, description=text).add_argument
    add("--hr", type=Path, required=True, metavar="PATH", help="HR photos to train on: folder or .lmdb")
    add("--lr", type=Path, required=True, metavar="PATH", help="their x4 LR images: folder or .lmdb")
    add("--val-hr", type=Path, required=True, metavar="PATH", help="HR photos to validate on: folder or .lmdb")
    add("--val-lr", type=Path, required=True, metavar="PATH", help="their x4 LR images: folder or .lmdb")
    add("--iterations", type=int, default=3000, help="iterations of each training (default: 3000)")
    add(
        "--runs",
        nargs="+",
        choices=RUNS,
        default=list(RUNS),
        metavar="NAME",
        help="some of the trainings, by name (default: all)",
    )
    text = "print the table of the trainings that have ended"
    add = verbs.add_parser("table", help=text, description=text).add_argument
    add("--markdown", type=Path, metavar="FILE", help="file to write the table to as well")
    add("--figure", type=Path, metavar="FILE", help="PNG of PSNR over iterations and over CPU seconds")
    return parser


def main() -> int:
    """Run the command line; return the exit code."""
    given = parser().parse_args()
    try:
        if given.verb == "train":
            return train(given)
        results = ended()
        if not results:
            raise UserError(f"{EXPERIMENTS.absolute()}: holds no training that has ended")
        text = table(results).markdown()
        if given.markdown:
            write_file(given.markdown, text.encode())
        if given.figure:
            write_file(given.figure, figure(results))
    except UserError as error:
        print(f"equal_work {given.verb}: {error}", file=sys.stderr)
        return 2
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
