"""Attributions as a picture, like the SSIU paper's Fig. 9 with a colour scale, and as a table. Needs matplotlib."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ssiu_arch.tools.lam.attribution import SIGMA, THRESHOLD, Attribution
from ssiu_arch.tools.lam.inputs import KERNEL, Target
from ssiu_arch.utils.table import Table

PANEL, BAR = 2.4, 0.9  # inches: width of a panel, and of the colour scale with its numbers
OUTSIDE = 2  # pixels of the result between the patch and its frame, which hides nothing of it
RED, FRAME = "#b20a1c", "#0050c8"
HEAT = LinearSegmentedColormap.from_list("heat", [(RED, 0.0), (RED, 1.0)])  # from transparent to red
SHARE = PowerNorm(0.5, 0, 1)  # by the square root: 1 % of the largest contribution, else invisible, is a tenth red


def draw(target: Target, attributions: Sequence[Attribution]) -> Figure:
    """Draw two rows: the image and each network's map; below, the patch and each contribution area."""
    (height, width), columns = target.lr.shape[:2], 1 + len(attributions)
    size = (PANEL * columns + BAR, 2 * (PANEL * height / width + 0.5))
    figure = Figure(size, dpi=150, layout="constrained")
    panels = figure.subplots(2, columns)
    # All panels have the axes of the result, in its pixels, whatever the size of what they show: LR or HR.
    extent = (0, target.scale * width, target.scale * height, 0)
    x, y, side = target.patch

    def show(row: int, column: int, image: np.ndarray, text: str) -> None:
        axes = panels[row, column]
        axes.imshow(image, extent=extent, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(text, fontsize=9, parse_math=False)
        halo = [withStroke(linewidth=3.5, foreground="white")]
        frame = Rectangle((x - OUTSIDE, y - OUTSIDE), side + 2 * OUTSIDE, side + 2 * OUTSIDE, fill=False)
        frame.set(color=FRAME, linewidth=1.5, path_effects=halo)
        axes.add_patch(frame)

    image, name = (target.lr, "LR") if target.hr is None else (target.hr, "HR")
    show(0, 0, image, f"{name}\nx{target.scale}, LR {width}x{height}")  # DI falls as this size grows
    show(1, 0, image, f"patch {side}x{side}")
    panels[1, 0].set(xlim=(x, x + side), ylim=(y + side, y))
    faded = 191 + target.lr.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8) // 4  # 191 to 254
    for column, each in enumerate(attributions, 1):
        show(0, column, faded, f"{each.name}\nDI {each.diffusion_index:.2f}")
        share = each.contribution / each.contribution.max()
        heat = panels[0, column].imshow(share, HEAT, SHARE, extent=extent, interpolation="nearest")
        lit = np.where(each.area[..., None], target.lr, faded)
        show(1, column, lit, f"area {each.area.sum()} pixels ({each.area.mean():.1%})")
    scale = figure.colorbar(heat, ax=panels[0], shrink=0.84, ticks=[0, 0.01, 0.1, 0.25, 0.5, 1], format="{x:.0%}")
    scale.ax.tick_params(labelsize=8)
    scale.set_label("share of the largest contribution", fontsize=8)
    return figure


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
    shown = Table(title, ["DI", "area", "share", "box", "error"], note=note)
    for each in attributions:
        area = each.area
        rows, columns = (int(np.ptp(found)) + 1 for found in np.nonzero(area))
        measures = [f"{each.diffusion_index:.3f}", str(area.sum()), f"{area.mean():.2%}"]
        shown.rows.append((each.name, [*measures, f"{columns}x{rows}", f"{each.error:.2%}"]))
    return shown
