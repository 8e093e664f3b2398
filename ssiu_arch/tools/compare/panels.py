"""The drawing kit: images enlarged exactly, outlined, labelled and set side by side on a white page.

All images are RGB, ``(H, W, 3)``, uint8. Equal input gives equal pixels; the shapes of letters may change with Pillow's
version.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from ssiu_arch.utils.files import write_file

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
INK: Colour = (30, 30, 30)
BEST: Colour = (196, 18, 48)  # the colour of what is best
LETTERS = 15  # pixels, height of letters with ascent and descent
LINE = ceil(1.4 * LETTERS)  # from one line of text to the next
ABOVE = 2  # white pixels of it above the letters
GAP = 10  # between panels


@dataclass(frozen=True)
class Label:
    """A line of text below a panel.

    Attributes:
        text: one line of ASCII, which is what Pillow's own letters cover; anything else is drawn as ``?``.
        bold, underlined, colour: how it is set; in tables of super-resolution the best is bold, the second underlined.
    """

    text: str
    bold: bool = False
    underlined: bool = False
    colour: Colour = INK


@dataclass(frozen=True)
class Panel:
    """An image with lines of text below it.

    Attributes:
        image: (H, W, 3), RGB, uint8.
        lines: what stands below, from top to bottom; a plain ``str`` is a ``Label`` without emphasis.
    """

    image: Image
    lines: Sequence[str | Label] = field(default_factory=list)


def enlarged(image: Image, factor: int) -> Image:
    """``image`` with each pixel as a square of ``factor`` by ``factor`` pixels: nearest neighbour, exact."""
    if factor < 1:
        raise ValueError(f"factor ({factor}) must be a whole number from 1")
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def reduced(image: Image, width: int, height: int) -> Image:
    """``image`` resampled to (``height``, ``width``, 3) by Lanczos' filter: for overviews, not for judging detail."""
    return np.array(Pillow.fromarray(image).resize((width, height), Pillow.Resampling.LANCZOS))


def outlined(image: Image, box: tuple[int, int, int, int], colour: Colour = BEST, width: int = 2) -> Image:
    """A copy of ``image`` with a frame around a box: outside of it, but at the image's border, where it covers it.

    Args:
        image: (H, W, 3).
        box: x and y of its top left pixel, its width and its height, inside the image.
        colour: of the frame.
        width: of the frame, in pixels.
    """
    x, y, w, h = box
    if x < 0 or y < 0 or min(w, h) < 1 or x + w > image.shape[1] or y + h > image.shape[0]:
        raise ValueError(f"box {box} must lie inside the image ({image.shape[1]}x{image.shape[0]})")
    top, left = max(y - width, 0), max(x - width, 0)
    bottom, right = min(y + h + width, image.shape[0]), min(x + w + width, image.shape[1])
    framed = image.copy()
    framed[top:bottom, left:right] = colour
    inside = slice(top + width, max(bottom - width, 0)), slice(left + width, max(right - width, 0))
    framed[inside] = image[inside]
    return framed


def grid(rows: Sequence[Sequence[Panel]], *, gap: int = GAP, margin: int = 0) -> Image:
    """Panels in rows and columns on a white page.

    A column is as wide as its widest panel or label, and both are centred in it. The images of a row stand on one line,
    and its labels begin on one line. A row may be shorter than the others.

    Args:
        rows: of panels, from top to bottom, none empty.
        gap: pixels between columns and between rows.
        margin: white pixels around everything.
    """
    widths = [0] * max(map(len, rows))
    for row in rows:
        for column, panel in enumerate(row):
            widths[column] = max(widths[column], panel.image.shape[1], *map(text_width, panel.lines))
    lines = []
    for row in rows:
        height = max(panel.image.shape[0] for panel in row)
        text = max(len(panel.lines) for panel in row)
        cells = [_cell(panel, width, height, text) for panel, width in zip(row, widths, strict=False)]
        lines.append(beside(cells, gap=gap))
    return on_page(stacked(lines, gap=gap), margin)


def beside(images: Sequence[Image], *, gap: int = GAP) -> Image:
    """Images side by side on white, their tops on one line."""
    return stacked([image.swapaxes(0, 1) for image in images], gap=gap).swapaxes(0, 1)


def stacked(images: Sequence[Image], *, gap: int = GAP) -> Image:
    """Images one below the other on white, their left sides on one line."""
    height = sum(image.shape[0] for image in images) + gap * (len(images) - 1)
    page = _blank(max(image.shape[1] for image in images), height)
    at = 0
    for image in images:
        page[at : at + image.shape[0], : image.shape[1]] = image
        at += image.shape[0] + gap
    return page


def on_page(image: Image, margin: int) -> Image:
    """``image`` with a white margin of so many pixels."""
    return np.pad(image, ((margin, margin), (margin, margin), (0, 0)), constant_values=255)


def written(lines: Sequence[str | Label], *, width: int | None = None) -> Image:
    """Lines of text on white, (LINE * len(lines), width, 3).

    Args:
        lines: from top to bottom.
        width: lines are centred in so many pixels; None: they begin at the left, and the longest gives the width.
    """
    labels = [_label(line) for line in lines]
    across = max([1, *map(text_width, labels)]) if width is None else width
    page = Pillow.fromarray(_blank(across, LINE * len(labels)))
    draw = ImageDraw.Draw(page)
    for number, label in enumerate(labels):
        left, top = 0 if width is None else (width - text_width(label)) // 2, number * LINE + ABOVE
        for offset in range(1 + label.bold):  # Pillow brings one weight of letters: bold is twice, a pixel apart
            draw.text((left + offset, top), label.text, label.colour, _font())
        if label.underlined:
            below = top + LETTERS + 2
            draw.line((left, below, left + text_width(label) - 1, below), label.colour)
    return np.array(page)


def text_width(line: str | Label) -> int:
    """Pixels that a line of text takes."""
    label = _label(line)
    return ceil(_font().getlength(label.text)) + label.bold


def write_png(path: Path, image: Image) -> None:
    """Write ``image`` (RGB) to ``path`` as PNG, all or nothing.

    By Pillow, not by ``data.images``, whose files are made for fast reading of photographs: letters and enlarged pixels
    take a fraction of the room.

    Raises:
        UserError: it cannot be written; see ``write_file``.
    """
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "PNG", optimize=True)
    write_file(path, buffer.getvalue())


def _cell(panel: Panel, width: int, height: int, lines: int) -> Image:
    """A panel in a cell: its image at the bottom of ``height`` pixels, its text at the top of ``lines`` lines."""
    cell = _blank(width, height + lines * LINE)
    h, w = panel.image.shape[:2]
    left = (width - w) // 2
    cell[height - h : height, left : left + w] = panel.image
    if panel.lines:
        cell[height : height + len(panel.lines) * LINE] = written(panel.lines, width=width)
    return cell


def _label(line: str | Label) -> Label:
    label = line if isinstance(line, Label) else Label(line)
    return replace(label, text=label.text.encode("ascii", "replace").decode())


def _blank(width: int, height: int) -> Image:
    return np.full((height, width, 3), WHITE, np.uint8)


@lru_cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.load_default(size=LETTERS)
    except TypeError:  # Pillow before 10.1 has one size, a small one
        return ImageFont.load_default()
