"""The picture: attributions side by side, as in the SSIU paper's Fig. 9, with a colour scale. Needs matplotlib."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ssiu_arch.tools.lam.attribution import Attribution
from ssiu_arch.tools.lam.target import Target

# All in pixels.
SIDE = 256  # least side of a panel
GAP = 12  # between panels and around them
LINE = 20  # from one line of text to the next
BAR = 14  # width of the colour scale
NUMBERS = 80  # room for its numbers and label

DPI = 128  # a power of two: sizes in inches are exact, and so every pixel of an image is a whole number of pixels
LETTERS = 13 * 72 / DPI  # height of 13 pixels, in points
RED, FRAME = "#b20a1c", "#0050c8"
HEAT = LinearSegmentedColormap.from_list("heat", [(RED, 0.0), (RED, 1.0)])  # from transparent to red
SHARE = PowerNorm(0.5, 0, 1)  # by the square root: 1 % of the largest contribution, else invisible, is a tenth red


def draw(target: Target, attributions: Sequence[Attribution]) -> bytes:
    """Draw two rows as PNG: the image and each network's map; below, the patch and each contribution area.

    Args:
        target: what the networks saw.
        attributions: of one or more networks.
    """
    page = _Page(target, 1 + len(attributions))
    name, height, width = "LR" if target.hr is None else "HR", *target.lr.shape[:2]
    image = target.lr.repeat(target.scale, 0).repeat(target.scale, 1) if target.hr is None else target.hr
    page.show(0, 0, image, [name, f"x{target.scale}, LR {width}x{height}"])  # DI falls as this size grows
    x, y, side = target.patch
    page.show(0, 1, image[y : y + side, x : x + side], [f"patch {side}x{side}"], framed=False)

    faded = 191 + target.lr.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8) // 4  # 191 to 254
    for column, each in enumerate(attributions, 1):
        panel = page.show(column, 0, faded, [each.name, f"DI {each.diffusion_index:.2f}"])
        share = each.contribution / each.contribution.max()
        heat = panel.imshow(share, HEAT, SHARE, aspect="auto", interpolation="nearest")
        lit = np.where(each.area[..., None], target.lr, faded)
        page.show(column, 1, lit, [f"area {each.area.sum()} pixels ({each.area.mean():.1%})"])
    page.colour_scale(heat)
    return page.png()


class _Page:
    """A white page of two rows of panels, each with two lines of text below, and a colour scale at the right."""

    def __init__(self, target: Target, columns: int) -> None:
        height, width = target.lr.shape[:2]
        self.patch = target.patch
        self.factor = -(-SIDE // (target.scale * max(height, width)))  # of the result's pixels
        self.across, self.down = self.factor * target.scale * width, self.factor * target.scale * height
        self.right = GAP + columns * (self.across + GAP)
        self.width, self.height = self.right + BAR + NUMBERS, GAP + 2 * (self.down + 2 * LINE + GAP) - LINE
        self.figure = Figure((self.width / DPI, self.height / DPI), dpi=DPI)

    def show(self, column: int, row: int, image: NDArray[Any], lines: Sequence[str], *, framed: bool = True) -> Any:
        """Show ``image``, enlarged by the largest whole number that fits, with a frame around the patch.

        Returns:
            Its axes.
        """
        height, width = image.shape[:2]
        zoom = min(self.across // width, self.down // height)
        left, top = GAP + column * (self.across + GAP), GAP + row * (self.down + 2 * LINE + GAP)
        panel = self._axes(left + (self.across - zoom * width) // 2, top, zoom * width, zoom * height)
        panel.set_axis_off()
        panel.imshow(image, aspect="auto", interpolation="nearest")
        if framed:
            x, y, side = (self.factor * value for value in self.patch)
            corner, length = ((x - 2) / zoom - 0.5, (y - 2) / zoom - 0.5), (side + 4) / zoom  # outside the patch
            halo = [withStroke(linewidth=4 * 72 / DPI, foreground="white")]
            frame = Rectangle(corner, length, length, fill=False, color=FRAME, lw=2 * 72 / DPI, joinstyle="miter")
            panel.add_patch(frame).set_path_effects(halo)
        for number, text in enumerate(lines):
            place = (left + self.across / 2) / self.width, 1 - (top + self.down + 4 + number * LINE) / self.height
            self.figure.text(*place, text, ha="center", va="top", fontsize=LETTERS, parse_math=False)
        return panel

    def colour_scale(self, heat: Any) -> None:
        """Draw the colour scale of the maps beside the first row."""
        axes = self._axes(self.right, GAP, BAR, self.down)
        scale = self.figure.colorbar(heat, cax=axes, ticks=[0, 0.01, 0.1, 0.25, 0.5, 1], format="{x:.0%}")
        scale.ax.tick_params(labelsize=LETTERS)
        scale.set_label("contribution (share of the largest)", fontsize=LETTERS)

    def png(self) -> bytes:
        """The page as a PNG file, the same bytes each time."""
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
        return stream.getvalue()

    def _axes(self, left: int, top: int, width: int, height: int) -> Any:
        """Axes at a place in pixels."""
        bottom = self.height - top - height
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))
