"""How far an exported file is from the network in torch, size by size."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.utils.table import Table

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
BARS = {"fp32": 1e-4, "fp16": 1 / 510}  # fp16: half a grey level of 8 bits


@dataclass(frozen=True)
class Difference:
    """Of two results for the same image.

    Attributes:
        case: batch, height and width.
        largest: absolute difference of any value, in units of the larger of 1 and the largest value of torch's.
        psnr: of one against the other, in dB, 1 being white; infinite if they are equal.
    """

    case: Case
    largest: float
    psnr: float

    def is_within(self, bar: float) -> bool:
        """Whether the largest difference is no more than ``bar``; what is not a number never is."""
        return self.largest <= bar


def random_images(case: Case, channels: int) -> Tensor:
    """Pixels uniform in [0, 1], ``(B, C, h, w)``, the same ones each time: harder than any photograph."""
    batch, h, w = case
    return torch.rand(batch, channels, h, w, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def difference(exported: Net, net: SSIU, case: Case) -> Difference:
    """That of ``exported`` to ``net`` for random images of a size.

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


def table(differences: list[Difference], precision: str) -> Table:
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
