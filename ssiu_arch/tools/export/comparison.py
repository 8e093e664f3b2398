"""An exported file in ONNX Runtime on the CPU, beside the network in torch: export parity and latency."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.inference import fuse
from ssiu_arch.tools.export.to_onnx import INPUT
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.table import Table
from ssiu_arch.utils.timing import Latency, digits, in_turns, machine

NO_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")  # ONNX Runtime's words
ERRORS = 3  # ONNX Runtime's level of severity: what fails is raised, warnings are about its own optimisations
EAGER, FUSED, BF16, EXPORTED = "torch, eager", "torch, optimised", "torch, optimised, bf16", "ONNX Runtime"
WARMUP = 2  # rounds that do not count

Net = Callable[[Tensor], Tensor]
Case = tuple[int, int, int]  # batch, height, width

CASES: tuple[Case, ...] = (  # one pixel, less than a window, windows, one pixel more, odd, neither; several images
    (1, 1, 1),
    (1, 5, 7),
    (1, 16, 16),
    (1, 17, 33),
    (1, 31, 50),
    (1, 48, 64),
    (1, 100, 61),
    (2, 23, 40),
)
# fp16: half a grey level of 8 bits. int8: finds broken files only, random pixels are unlike the photos of calibration.
BARS = {"fp32": 1e-4, "fp16": 1 / 510, "int8": 0.5}


def opened(model: bytes, threads: int) -> Net:
    """What runs the bytes of an exported file: ``(B, C, h, w)`` to ``(B, C, s*h, s*w)``, float32, on the CPU.

    Raises:
        UserError: this ONNX Runtime does not take it. What is returned raises MemoryError for an image too large.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = ERRORS
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a type for every reason
        said = f"onnxruntime {onnxruntime.__version__} does not take the exported file"
        raise UserError(f"{said}: update it, or try an older --opset ({error})") from error

    def run(y: Tensor) -> Tensor:
        try:
            (x,) = session.run(None, {INPUT: y.numpy()})
        except Exception as error:  # again of many types
            if any(sign in str(error) for sign in NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise
        return torch.from_numpy(x)

    return run


class Difference(NamedTuple):
    """How far two results for the same image are apart."""

    case: Case
    largest: float  # of any value, in units of the larger of 1 and the largest value of torch's
    psnr: float  # of one against the other, in dB, 1 being white; infinite if they are equal

    def is_within(self, bar: float) -> bool:
        """Whether the largest difference is at most ``bar``; NaN never is."""
        return self.largest <= bar


def random_images(case: Case, channels: int) -> Tensor:
    """Pixels uniform in [0, 1], ``(B, C, h, w)``, the same ones each time: harder than any photograph."""
    batch, h, w = case
    return torch.rand(batch, channels, h, w, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def difference(exported: Net, net: SSIU, case: Case) -> Difference:
    """The difference of ``exported`` from ``net`` on random images of one size.

    Raises:
        ValueError: the two results differ in shape.
    """
    y = random_images(case, net.head.weight.shape[1])
    x, expected = exported(y), net(y)
    if x.shape != expected.shape:
        raise ValueError(f"{text_of(case)}: the exported result is {tuple(x.shape)}, torch's {tuple(expected.shape)}")
    apart = x.double() - expected.double()
    largest = (apart.abs().max() / expected.abs().max().clamp(min=1)).item()
    error = apart.square().mean().item()
    return Difference(case, largest, -10 * math.log10(error) if error else math.inf)


def text_of(case: Case) -> str:
    """Height x width, and the batch where it is not 1."""
    batch, h, w = case
    return f"{h}x{w}" + (f", batch {batch}" if batch > 1 else "")


def parity_table(differences: list[Difference], precision: str) -> Table:
    """Export parity by size."""
    shown = Table(
        f"Export parity by size (height x width of the LR image): ONNX Runtime, {precision}, against torch in float32",
        ["largest difference", "PSNR (dB)"],
        note=f"Largest difference: of the larger of 1 and the largest value; at most {BARS[precision]:.2g}. "
        "Images of random pixels.",
    )
    for found in differences:
        shown.rows.append((text_of(found.case), [f"{found.largest:.1e}", f"{found.psnr:.1f}"]))
    return shown


def latencies(exported: Net, net: SSIU, size: tuple[int, int], runs: int) -> dict[str, Latency]:
    """Seconds for one image of ``size`` (LR height and width), all forms in turns, on the CPU."""
    y = random_images((1, *size), net.head.weight.shape[1])
    forms: dict[str, Net] = {EAGER: net, FUSED: fuse(net), BF16: fuse(net, precision="bf16"), EXPORTED: exported}
    with torch.inference_mode():
        return in_turns({name: partial(form, y) for name, form in forms.items()}, runs, WARMUP)


def latency_table(found: dict[str, Latency], size: tuple[int, int], precision: str) -> Table:
    """The latencies side by side."""
    runs = len(found[EAGER].seconds)
    shown = Table(
        f"Latency, LR {size[0]}x{size[1]} (height x width), batch 1; the exported file is {precision}",
        ["ms", "25-75 %", "ratio"],
        note="Ratio: median over the rounds, to eager torch in the same round. "
        f"{runs} rounds after {WARMUP}, in turns; {torch.get_num_threads()} threads; "
        f"{machine(torch.device('cpu'))}; torch {torch.__version__}.",
    )
    for name, latency in found.items():
        median, low, high = (digits(1000 * seconds) for seconds in (latency.median, *latency.quartiles))
        shown.rows.append((name, [median, f"{low} to {high}", f"{latency.relative_to(found[EAGER]):.3f}"]))
    return shown
