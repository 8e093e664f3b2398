"""Attributions as a table, as CSV and as numpy's NPZ."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssiu_arch.tools.lam.attribution import THRESHOLD, Attribution, Settings, gini
from ssiu_arch.tools.lam.networks import Network
from ssiu_arch.tools.lam.target import Target
from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.table import Table

Row = dict[str, Any]


def row(image: str, target: Target, settings: Settings, network: Network, each: Attribution) -> Row:
    """All numbers of an attribution and how it was made, by the names of CSV columns; ``image`` is the file's name."""
    area = each.area
    height, width = (int(np.ptp(np.flatnonzero(area.any(axis=axis)))) + 1 for axis in (1, 0))
    patch, crop = target.patch_of_whole, target.crop
    measured = {
        "network": each.name,
        "weights": network.weights or "",
        "diffusion_index": each.diffusion_index,
        "gini": gini(each.contribution),
        "area_pixels": int(area.sum()),
        "area_share": float(area.mean()),
        "area_width": width,
        "area_height": height,
        "detector_blurred": each.before,
        "detector": each.after,
        "sum": each.map.sum(),
        "error": each.error,
    }
    where = {"image": image, "scale": target.scale, "patch_x": patch.x, "patch_y": patch.y, "patch": patch.side}
    seen = {"crop_x": crop[0], "crop_y": crop[1], "crop_width": crop[2], "crop_height": crop[3]}
    return measured | where | seen | {"sigma": settings.sigma, "kernel": settings.kernel, "steps": settings.steps}


def table(rows: Sequence[Row]) -> Table:
    """The measures of each network; the title says how they were made."""
    title = (
        "LAM of the patch {patch}x{patch} at x {patch_x}, y {patch_y} in the x{scale} result of {image}; "
        "input: {crop_width}x{crop_height} LR pixels at x {crop_x}, y {crop_y}; sigma {sigma:g}, kernel {kernel}, "
        "{steps} steps"
    )
    note = (
        f"area: LR pixels that contribute over {THRESHOLD:.0%} of the largest contribution, their share of the input, "
        "and the box around them (width x height). error: of the integration."
    )
    cells = "{diffusion_index:.3f} {gini:.5f} {area_pixels} {area_share:.2%} {area_width}x{area_height} {error:.2%}"
    lines = [(each["network"], cells.format_map(each).split()) for each in rows]
    return Table(title.format_map(rows[0]), ["DI", "Gini", "area", "share", "box", "error"], lines, note)


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write a line for each network, with all digits."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(path, stream.getvalue().encode())


def write_npz(path: Path, target: Target, attributions: Sequence[Attribution]) -> None:
    """Write the maps as compressed arrays.

    ``names`` and, in their order, ``map_0``, ``map_1``, ...: ``(channels, h, w)``, signed. ``lr`` is the input, (h, w,
    3), RGB; ``crop`` its x, y, width and height in the LR image; ``patch`` x, y and side in the result of the crop.
    """
    stream = io.BytesIO()
    arrays: dict[str, Any] = {f"map_{number}": each.map for number, each in enumerate(attributions)}
    names = [each.name for each in attributions]
    np.savez_compressed(stream, lr=target.lr, crop=target.crop, patch=target.patch, names=names, **arrays)
    write_file(path, stream.getvalue())
