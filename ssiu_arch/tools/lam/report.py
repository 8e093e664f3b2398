"""Attributions as a table and as numpy's NPZ."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssiu_arch.tools.lam.attribution import THRESHOLD, Attribution, gini
from ssiu_arch.tools.lam.gradients import KERNEL, SIGMA
from ssiu_arch.tools.lam.target import Target
from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.table import Table


def table(image: str, target: Target, steps: int, attributions: Sequence[Attribution]) -> Table:
    """The measures of each network; the title says how they were made. ``image`` is the file's name."""
    patch, (x, y, width, height) = target.patch_of_whole, target.crop
    title = (
        f"LAM of the patch {patch.side}x{patch.side} at x {patch.x}, y {patch.y} in the x{target.scale} result of "
        f"{image}; input: {width}x{height} LR pixels at x {x}, y {y}; "
        f"sigma {SIGMA:g}, kernel {KERNEL}, {steps} steps"
    )
    note = (
        f"area: LR pixels that contribute over {THRESHOLD:.0%} of the largest contribution, their share of the input, "
        "and the box around them (width x height). error: of the integration."
    )
    shown = Table(title, ["DI", "Gini", "area", "share", "box", "error"], note=note)
    for each in attributions:
        area = each.area
        rows, columns = (int(np.ptp(found)) + 1 for found in np.nonzero(area))
        measures = [f"{each.diffusion_index:.3f}", f"{gini(each.contribution):.5f}", str(area.sum())]
        shown.rows.append((each.name, [*measures, f"{area.mean():.2%}", f"{columns}x{rows}", f"{each.error:.2%}"]))
    return shown


def write_npz(path: Path, target: Target, attributions: Sequence[Attribution]) -> None:
    """Write the maps as compressed arrays.

    ``names`` and, in their order, ``map_0``, ``map_1``, ...: ``(3, h, w)``, signed. ``lr`` is the input, (h, w, 3),
    RGB; ``crop`` its x, y, width and height in the LR image; ``patch`` x, y and side in the result of the crop.
    """
    stream = io.BytesIO()
    arrays: dict[str, Any] = {f"map_{number}": each.map for number, each in enumerate(attributions)}
    names = [each.name for each in attributions]
    np.savez_compressed(stream, lr=target.lr, crop=target.crop, patch=target.patch, names=names, **arrays)
    write_file(path, stream.getvalue())
