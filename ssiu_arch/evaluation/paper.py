"""Table I of the paper: cost, PSNR in dB and SSIM on Y of lightweight networks, five benchmarks, three scales.

Ni et al., "Structural Similarity-Inspired Unfolding for Lightweight Image Super-Resolution", IEEE TIP 34, 2025. The
numbers are as printed. SSIU's own SSIM follows another protocol than the other rows (``ssiu_arch.metrics.published``)
and is about 0.003 too high to compare with them; its PSNR compares. Multiply-adds belong to a result of 1280x720 pixels
and are not all counted alike: those of Omni-SR and CRAFT leave out the products of attention (docs/profile.md).
"""

import csv
from pathlib import Path
from typing import Any, NamedTuple

from ssiu_arch.data import known_sets

FILE = Path(__file__).with_name("table_1.csv")
SETS = tuple(known_sets.SETS)
SSIU = "SSIU"
PSNR = ("calculate_psnr", "calculate_psnr_published")
SSIM = ("calculate_ssim", "calculate_ssim_published")
PUBLISHED = ("calculate_psnr_published", "calculate_ssim_published")

INFLATED = (
    "* SSIU's printed SSIM follows the authors' own protocol and is about 0.003 too high to compare with the other "
    "rows; its PSNR compares. calculate_ssim_published measures SSIM their way"
)
AUTHORS_ONLY = "the printed SSIM of the other networks follows the standard protocol and does not compare with this one"


class Row(NamedTuple):
    """A network at one scale: its training set, its cost, and its scores by benchmark, where the paper has them.

    ``kilo_parameters`` are in thousands, ``giga_macs`` in 10^9 multiply-adds.
    """

    method: str
    training_set: str
    kilo_parameters: int
    giga_macs: int
    psnr: dict[str, float]
    ssim: dict[str, float]


def rows(scale: int) -> list[Row]:
    """The rows of a scale, in the paper's order; empty if it has none."""
    lines = csv.DictReader(FILE.read_text().splitlines())
    return [_row(line) for line in lines if line["scale"] == str(scale)]


def _row(line: dict[str, str]) -> Row:
    psnr, ssim = ({name: float(value) for name in SETS if (value := line[f"{name} {m}"])} for m in ("PSNR", "SSIM"))
    cost = int(line["kilo_parameters"]), int(line["giga_macs"])
    return Row(line["method"], line["training_set"], *cost, psnr, ssim)


def beside(options: dict[str, Any], scale: int, sets: list[str]) -> tuple[dict[str, dict[str, float]], str | None]:
    """Printed scores that compare with a metric, by method and benchmark, and a remark on them or why there are none.

    ``options`` are the metric's in the option file, ``sets`` the names of its data sets.
    """
    kind = options["type"]
    if kind not in PSNR + SSIM or not any(known_sets.set_name(name) for name in sets) or not rows(scale):
        return {}, None
    on_y = kind in PUBLISHED or options.get("test_y_channel")
    if not on_y or options.get("crop_border") != scale:
        return {}, f"Table I of the paper is on Y with border {scale}, so none of its rows compares"
    if kind in PSNR:
        return {row.method: row.psnr for row in rows(scale)}, None
    if kind in PUBLISHED:
        return {row.method: row.ssim for row in rows(scale) if row.method == SSIU}, AUTHORS_ONLY
    return {f"{row.method} *" if row.method == SSIU else row.method: row.ssim for row in rows(scale)}, INFLATED
