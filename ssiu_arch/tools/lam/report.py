"""Attributions as a table, as CSV and as numpy's NPZ."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssiu_arch.tools.lam.lam import Attribution, Settings
from ssiu_arch.tools.lam.measure import THRESHOLD
from ssiu_arch.tools.lam.networks import Network
from ssiu_arch.tools.lam.target import Target
from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.table import Table


@dataclass(frozen=True)
class Report:
    """A run: the image's name, what was shown, how, to which networks, and what came out."""

    image: str
    target: Target
    settings: Settings
    networks: Sequence[Network]
    attributions: Sequence[Attribution]


def table(report: Report) -> Table:
    """A row for each network."""
    x, y, side = report.target.patch_of_whole
    left, top, width, height = report.target.crop
    settings = report.settings
    title = (
        f"LAM of {side}x{side} pixels at x {x}, y {y} of the x{report.target.scale} result of {report.image}; seen: "
        f"{width}x{height} LR pixels at x {left}, y {top}; sigma {settings.sigma:g}, kernel {settings.kernel}, "
        f"{settings.steps} steps"
    )
    note = (
        f"Area: LR pixels that contribute over {THRESHOLD:.0%} of what the most important one does, their share of "
        "those seen, and the box around them (width x height). Error: of the integration."
    )
    found = Table(title, ["DI", "Gini", "area", "share", "box", "error"], note=note)
    for each in report.attributions:
        area = each.area
        cells = [f"{each.diffusion_index:.3f}", f"{each.gini:.5f}", f"{area.pixels}", f"{area.share:.2%}"]
        found.rows.append((each.name, [*cells, f"{area.width}x{area.height}", f"{each.error:.2%}"]))
    return found


def write_csv(path: Path, report: Report) -> None:
    """A row for each network, all digits, with the settings; see ``write_file``."""
    stream = io.StringIO()
    rows = [_row(report, network, each) for network, each in zip(report.networks, report.attributions, strict=True)]
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(path, stream.getvalue().encode())


def write_npz(path: Path, report: Report) -> None:
    """The maps, all or nothing: ``names``, and ``map_0``, ``map_1``, ... ``(channels, h, w)``, signed, in their order.

    Beside them ``lr`` is what was seen, (h, w, 3), RGB; ``crop`` is x, y, width and height in the LR image, ``patch``
    x, y and side in the result of the crop.
    """
    stream = io.BytesIO()
    target = report.target
    arrays: dict[str, Any] = {"lr": target.lr, "crop": target.crop, "patch": target.patch}
    arrays["names"] = [each.name for each in report.attributions]
    arrays |= {f"map_{number}": each.map for number, each in enumerate(report.attributions)}
    np.savez_compressed(stream, **arrays)
    write_file(path, stream.getvalue())


def _row(report: Report, network: Network, each: Attribution) -> dict[str, Any]:
    patch, crop, area, settings = report.target.patch_of_whole, report.target.crop, each.area, report.settings
    return {
        "network": each.name,
        "weights": network.weights or "",
        "diffusion_index": each.diffusion_index,
        "gini": each.gini,
        "area_pixels": area.pixels,
        "area_share": area.share,
        "area_width": area.width,
        "area_height": area.height,
        "detector_blurred": each.before,
        "detector": each.after,
        "sum": each.map.sum(),
        "error": each.error,
        "image": report.image,
        "scale": report.target.scale,
        "patch_x": patch.x,
        "patch_y": patch.y,
        "patch": patch.side,
        "crop_x": crop[0],
        "crop_y": crop[1],
        "crop_width": crop[2],
        "crop_height": crop[3],
        "sigma": settings.sigma,
        "kernel": settings.kernel,
        "steps": settings.steps,
    }
