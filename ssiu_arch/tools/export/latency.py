"""Latency of an exported file beside torch, in turns in one process."""

from functools import partial

import torch

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.inference import fuse
from ssiu_arch.tools.export.parity import Net, random_images
from ssiu_arch.utils.table import Table
from ssiu_arch.utils.timing import Latency, by_host_clock, digits, in_turns, machine

EAGER, FUSED, EXPORTED = "torch, eager", "torch, optimised", "ONNX Runtime"
WARMUP = 2  # rounds that do not count


def measure(exported: Net, net: SSIU, size: tuple[int, int], runs: int) -> dict[str, Latency]:
    """Seconds for one image of ``size``: the network in torch, its optimised form, and ``exported``, in turns.

    Args:
        exported: the exported network.
        net: the network, float32 on the CPU.
        size: LR height and width.
        runs: rounds that count.
    """
    y = random_images((1, *size), net.head.weight.shape[1])
    forms: dict[str, Net] = {EAGER: net, FUSED: fuse(net), EXPORTED: exported}
    with torch.inference_mode():
        return in_turns({name: partial(form, y) for name, form in forms.items()}, runs, WARMUP, by_host_clock)


def table(found: dict[str, Latency], size: tuple[int, int], precision: str) -> Table:
    """The latencies side by side."""
    runs = len(found[EAGER].seconds)
    shown = Table(
        f"Latency, LR {size[0]}x{size[1]} (height x width), batch 1; the exported file is {precision}, torch float32",
        ["ms", "25-75 %", "ratio"],
        note="Ratio: median over the rounds, to eager torch in the same round. "
        f"{runs} rounds after {WARMUP}, in turns; {torch.get_num_threads()} threads; "
        f"{machine(torch.device('cpu'))}; torch {torch.__version__}.",
    )
    for name, latency in found.items():
        median, low, high = (digits(1000 * seconds) for seconds in (latency.median, *latency.quartiles))
        shown.rows.append((name, [median, f"{low} to {high}", f"{latency.relative_to(found[EAGER]):.3f}"]))
    return shown
