"""The figure: crops of HR, bicubic interpolation and results with their scores, as in the paper's Figs. 5 to 8.

Pictures here are RGB, (H, W, 3), uint8. Pixels are repeated, never interpolated, except in the overview.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import wrap
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from tqdm import tqdm

from ssiu_arch.data.images import Image
from ssiu_arch.tools.compare.matching import Files
from ssiu_arch.tools.compare.subject import Box, Score, Subject, marks, most_different, read, scores
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.table import Table

# All in pixels.
PAGE = 1600  # largest width of the page
MARGIN = 16  # around the page
GAP = 10  # between panels
OVERVIEW = 640  # largest width of the overview
ROOM = PAGE - 2 * MARGIN - OVERVIEW - 2 * GAP  # width left for the crops beside it
CROP = 200  # what the longer side of an enlarged crop comes near to
LETTERS, LINE = 15, 21  # height of letters, and from one line of text to the next

FONT = ImageFont.load_default(LETTERS)
INK, RED = (30, 30, 30), (196, 18, 48)


@dataclass(frozen=True)
class Plan:
    """What to draw.

    Attributes:
        scale: of the results, and width in pixels of the border that scores leave out.
        crops: of every image; empty: one per image, see ``most_different``.
        side: of that crop, in HR pixels.
    """

    scale: int = 4
    crops: Sequence[Box] = ()
    side: int = 64


class Line(NamedTuple):
    """A line of text, ASCII: ``best`` is bold and red, ``second`` underlined."""

    text: str
    mark: str = ""

    @property
    def width(self) -> int:
        """In pixels."""
        return ceil(FONT.getlength(self.text)) + 1


def figure(images: Sequence[Files], plan: Plan) -> tuple[Image, list[Table]]:
    """Draw a block for each crop of each image, one below the other, and tabulate the scores.

    Args:
        images: what to compare, with the same names of results.
        plan: how.

    Returns:
        The page, and a table for each image.

    Raises:
        UserError: see ``read`` and ``block``.
    """
    blocks: list[tuple[Image, list[Line], Image]] = []
    tables: list[Table] = []
    for files in tqdm(images, "compare", leave=False, disable=None):
        subject = read(files, plan.scale, plan.crops)
        crops = plan.crops or [most_different(subject, plan.scale, plan.side)]
        found = scores(subject, plan.scale)
        shown = f"whole image (crops shown: {'; '.join(map(str, crops))})"
        table = Table(f"{files.name}, {shown}, on Y of YCbCr, border {plan.scale}", ["PSNR (dB)", "SSIM"])
        table.rows += [(name, [f"{score.psnr:.4f}", f"{score.ssim:.4f}"]) for name, score in found.items()]
        tables.append(table)
        blocks += [block(subject, crop, found, plan) for crop in crops]

    left = max(max(view.shape[1], *(line.width for line in lines)) for view, lines, _ in blocks)
    rows = [joined([panel(view, lines, left), crops], axis=1, gap=2 * GAP) for view, lines, crops in blocks]
    page = joined(rows, gap=2 * GAP)
    letters = page.shape[1] // 7  # in a line: they are some 7 pixels wide
    caption = [Line(line) for line in wrap(_caption(plan, len(images[0].results)), letters)]
    page = joined([page, joined([text([line], line.width) for line in caption], gap=0)])
    return np.pad(page, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), constant_values=255), tables


def block(subject: Subject, crop: Box, found: Mapping[str, Score], plan: Plan) -> tuple[Image, list[Line], Image]:
    """Draw one crop of one image. Four crops and more stand in two rows, or in more where the page is too narrow.

    Args:
        subject: the image.
        crop: inside it.
        found: scores by the name of the result.
        plan: its ``scale`` is used.

    Returns:
        The overview, the lines below it, and the enlarged crops with their scores.

    Raises:
        UserError: a single crop is wider than the page.
    """
    factor = max(1, round(CROP / max(crop.width, crop.height)))
    panels = [(subject.hr, [Line("HR"), Line("PSNR / SSIM")])]
    for name, mark in marks(found).items():
        label = Line(name, "best" if mark == "best" else "")
        panels.append((subject.results[name], [label, Line(str(found[name]), mark)]))
    width = max(factor * crop.width, *(line.width for _, lines in panels for line in lines))
    fitting = (ROOM + GAP) // (width + GAP)
    if not fitting:
        raise UserError(
            f"--crop {crop}: enlarged {factor} times it is {width} pixels wide, but the page has room for {ROOM}: "
            "give a smaller crop or shorter names"
        )
    rows = max(1 if len(panels) < 4 else 2, ceil(len(panels) / fitting))
    columns = ceil(len(panels) / rows)
    cells = [panel(enlarged(crop.of(image), factor), lines, width) for image, lines in panels]
    crops = joined([joined(cells[at : at + columns], axis=1) for at in range(0, len(cells), columns)])
    lines = [Line(f"{subject.name}, x{plan.scale}"), Line(f"{crop.width}x{crop.height} at {crop.x}, {crop.y}")]
    return (overview(subject.hr, crop, crops.shape[0] - len(lines) * LINE), lines, crops)


def overview(hr: Image, crop: Box, height: int) -> Image:
    """The whole of ``hr`` (BGR), reduced to ``height`` and ``OVERVIEW`` if it is larger, with a frame around ``crop``.

    The frame lies outside the crop, except at the border of the image.
    """
    page = Pillow.fromarray(enlarged(hr, 1))
    page.thumbnail((OVERVIEW, height), Pillow.Resampling.LANCZOS)
    across, down = page.width / hr.shape[1], page.height / hr.shape[0]
    left, top = int(crop.x * across), int(crop.y * down)
    right, bottom = ceil((crop.x + crop.width) * across) - 1, ceil((crop.y + crop.height) * down) - 1
    draw = ImageDraw.Draw(page)
    for colour, outside, width in (("white", 4, 1), (RED, 3, 3)):
        near = max(left - outside, 0), max(top - outside, 0)
        far = min(right + outside, page.width - 1), min(bottom + outside, page.height - 1)
        draw.rectangle((near, far), outline=colour, width=width)
    return np.array(page)


def enlarged(image: Image, factor: int) -> Image:
    """``image`` (BGR) as RGB, each pixel a square of ``factor`` x ``factor``."""
    return image[..., ::-1].repeat(factor, axis=0).repeat(factor, axis=1)


def panel(image: Image, lines: Sequence[Line], width: int) -> Image:
    """``image`` above lines of text, both centred in ``width`` pixels."""
    space = width - image.shape[1]
    centred = np.pad(image, ((0, 0), (space // 2, space - space // 2), (0, 0)), constant_values=255)
    return np.concatenate([centred, text(lines, width)])


def text(lines: Sequence[Line], width: int) -> Image:
    """Lines of text on white, centred in ``width`` pixels: (LINE * len(lines), width, 3)."""
    page = Pillow.new("RGB", (width, LINE * len(lines)), "white")
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        left, top = (width - line.width) // 2, number * LINE + 2
        colour = RED if line.mark == "best" else INK
        for offset in range(2 if line.mark == "best" else 1):  # Pillow has no bold letters: drawn twice, a pixel apart
            draw.text((left + offset, top), line.text, colour, FONT)
        if line.mark == "second":
            below = top + LETTERS + 2
            draw.line((left, below, left + line.width - 1, below), colour)
    return np.array(page)


def joined(images: Sequence[Image], axis: int = 0, gap: int = GAP) -> Image:
    """Images one below the other (``axis`` 0) or side by side (1) on white, aligned at the left or at the top."""
    across = max(image.shape[1 - axis] for image in images)
    parts = []
    for number, image in enumerate(images):
        pad = [(0, 0), (0, 0), (0, 0)]
        pad[axis] = (gap if number else 0, 0)
        pad[1 - axis] = (0, across - image.shape[1 - axis])
        parts.append(np.pad(image, pad, constant_values=255))
    return np.concatenate(parts, axis=axis)


def png(page: Image) -> bytes:
    """``page`` as a PNG file; much smaller than ``data.images.encode_png``, which is made for photographs."""
    stream = io.BytesIO()
    Pillow.fromarray(page).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _caption(plan: Plan, count: int) -> str:
    legend = {0: "", 1: "Bold: the better PSNR. "}.get(count, "Bold: the best PSNR; underlined: the second best. ")
    return (
        f"PSNR (dB) / SSIM of the whole image on Y of YCbCr, without the image's border of {plan.scale} pixels. "
        f"{legend}Crops are enlarged by repeating pixels."
    )
