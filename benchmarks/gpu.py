"""Everything to know about SSIU x4 on a GPU, in one command of under 9 minutes and one table.

    python -m benchmarks.gpu

First every mode's accuracy, against the eager network in float32 on the CPU, with the shipped weights (``modes.py``).
Then latency and peak memory beside the eager network and BasicSR's SwinIR-light (``ssiu profile``). Last, training
iterations per second (``training.py``). The table is printed, and written to a file.

Exit code 1 names each mode that is wrong or cannot run. ``--device cpu --quick`` rehearses the command with tiny sizes.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks import modes, training
from ssiu_arch.data.script import parser
from ssiu_arch.plugins import load_plugins
from ssiu_arch.tools.profile.candidates import PRESETS, Size, from_preset
from ssiu_arch.tools.profile.run import Plan, Row, measure
from ssiu_arch.utils.device import check_device
from ssiu_arch.utils.ending import ended
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.memory import is_out_of_memory
from ssiu_arch.utils.precisions import PRECISIONS
from ssiu_arch.utils.table import Table
from ssiu_arch.utils.timing import digits, machine
from ssiu_arch.weights import load
from ssiu_arch.weights.shipped import shipped

SCALE = 4
SIZES = [(80, 120), (180, 320), (320, 180)]  # LR height and width
NETWORKS = ["eager", "fused", "fused-tf32", "fused-bf16", "fused-fp16", "fused-graphs", "fused-bf16-graphs"]
COMPILED = ["fused-bf16-compiled", "fused-bf16-compiled-graphs"]
RIVAL = "swinir-light"
VARIANTS = ["fp32", "tf32", "bf16", "bf16+channels_last"]
ENOUGH = 7 * 60  # seconds after which training is left out


def pairs(sizes: list[Size]) -> Iterator[modes.Pair]:
    """Smooth random images, HR and LR, one for each LR size."""
    generator = torch.Generator().manual_seed(0)
    for h, w in sizes:
        coarse = torch.rand(1, 3, h // 2, w // 2, generator=generator)
        hr = F.interpolate(coarse, (SCALE * h, SCALE * w), mode="bicubic").clamp(0, 1)
        images = [image[0].mul(255).round().byte().permute(1, 2, 0).numpy() for image in (hr, F.avg_pool2d(hr, SCALE))]
        yield images[0], images[1]


def accuracy(device: torch.device, sizes: list[Size], *, compiled: bool) -> list[modes.Mode]:
    """Every mode, compared on an image of each size."""
    net = load(shipped(SCALE))
    found = list(modes.modes(net, device, PRECISIONS, compiled=compiled))
    modes.compare(net, found, pairs(sizes), device)
    return found


def cost(device: torch.device, sizes: list[Size], runs: int, *, compiled: bool) -> list[list[Row]]:
    """Latency and peak memory of each network, by size."""
    names = [*NETWORKS, *(COMPILED if compiled else []), RIVAL]
    if device.type == "cpu":
        names = [name for name in names if not PRESETS[name].needs_gpu]
    candidates = [from_preset(name, SCALE, device.type) for name in names]
    threads = torch.get_num_threads()
    return measure(Plan(candidates, SCALE, sizes, 1, device, threads, runs, max(1, runs // 5), True, {}, ""))


def throughput(device: torch.device, *, quick: bool) -> dict[str, float]:
    """Training iterations per second of each variant; none of them out of memory."""
    batch, patch, iterations, rounds = (2, 16, 1, 1) if quick else (40, 64, 10, 3)
    network = {"num_feat": 16, "num_block": 3} if quick else {}
    given = argparse.Namespace(device=device.type, upscale=SCALE, network=network)
    given.batch, given.patch, given.iterations, given.rounds = batch, patch, iterations, rounds
    names = [name for name in VARIANTS if device.type == "cuda" or name != "tf32"]
    try:
        return {name: 1 / seconds for name, seconds in training.times(names, given).items()}
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return {}


def table(found: list[modes.Mode], cases: list[list[Row]], iterations: dict[str, float], where: str) -> Table:
    """All results; ratios to the eager network."""
    sizes = [f"{rows[0].height}x{rows[0].width}" for rows in cases]
    columns = [f"{size} {what}" for size in sizes for what in ("ms", "ms ratio", "MB", "MB ratio")]
    result = Table(f"SSIU x{SCALE}; {where}", ["largest difference", "right", *columns, "training it/s"])
    nothing = ["-"] * len(columns)
    for mode in found:
        difference = f"{max(mode.differences):.2g}" if mode.differences else "-"
        result.rows.append((f"accuracy: {mode.name}", [difference, "no" if mode.fault else "yes", *nothing, "-"]))
    for rows in zip(*cases, strict=True):
        cells = []
        for row in rows:
            ms, mb = ((row.latency_s or 0) * 1000, row.latency_ratio), ((row.memory_bytes or 0) / 1e6, row.memory_ratio)
            for value, ratio in (ms, mb):
                cells += [digits(value) if value else "-", "-" if ratio is None else f"{ratio:.3f}"]
        result.rows.append((rows[0].candidate, ["-", "-", *cells, "-"]))
    result.rows += [(f"training: {name}", ["-", "-", *nothing, digits(each)]) for name, each in iterations.items()]
    return result


def main() -> None:
    """Check and measure, print the table, write it, and exit with 1 if a mode is wrong or cannot run."""
    command = parser(__doc__, "python -m benchmarks.gpu --markdown gpu.md")
    command.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    command.add_argument("--compile", action="store_true", help="compiled modes too; takes some more minutes")
    command.add_argument("--quick", action="store_true", help="tiny sizes, to rehearse the command; no figures to keep")
    command.add_argument("--markdown", type=Path, default=Path("gpu.md"), help="Markdown file to write")
    given = command.parse_args()
    start, device = time.monotonic(), check_device(given.device)
    load_plugins()
    tiny = [(16, 24), (19, 17)]
    found = accuracy(device, tiny if given.quick else [SIZES[0], (45, 77)], compiled=given.compile)
    faults = [f"{mode.name}: {mode.fault}" for mode in found if mode.fault]
    try:
        cases = cost(device, tiny[:1] if given.quick else SIZES, 2 if given.quick else 20, compiled=given.compile)
    except UserError as error:  # what was found so far is not lost
        cases = []
        faults.append(str(error))
    late = time.monotonic() - start > ENOUGH and not given.compile
    iterations = {} if late else throughput(device, quick=given.quick)
    where = f"{machine(device)}, torch {torch.__version__}, {torch.get_num_threads()} CPU threads"
    result = table(found, cases, iterations, where)
    batch = "2 of 16x16, a small network" if given.quick else "40 of 64x64"
    result.note = f"{time.monotonic() - start:.0f} s in all. Training: batch {batch}"
    result.note += "." if iterations else "; left out, for want of time or memory."
    print(result.markdown(), end="")
    write_file(given.markdown, result.markdown().encode())
    modes.report(faults, "gpu.py")


if __name__ == "__main__":
    sys.exit(ended("gpu.py", main))
