"""The figure: crops of HR, bicubic interpolation and results with their scores, as in the paper's Figs. 5 to 8.

Pictures here are RGB, (H, W, 3), uint8. Pixels are repeated, never interpolated, except in the overview.
"""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from ssiu_arch.data.images import Image
from ssiu_arch.tools.compare.images import Box, Score

# All in pixels.
MARGIN = 16  # around the page
GAP = 10  # between panels
OVERVIEW = 640  # largest width of the overview
CROP = 200  # what the longer side of an enlarged crop comes near to
LETTERS, LINE = 15, 21  # height of letters, and from one line of text to the next

FONT = ImageFont.load_default(LETTERS)
INK, RED = (30, 30, 30), (196, 18, 48)


def figure(
    name: str, images: Mapping[str, Image], found: Mapping[str, Score], scale: int, crops: Sequence[Box]
) -> Image:
    """Draw a block for each crop, one below the other: the overview, and the enlarged crops with their scores.

    Args:
        name: of the image.
        images: HR and the results, BGR, by name.
        found: scores of the results by name. The highest PSNR, as printed, is bold and red, and so are its equals.
        scale: of the results.
        crops: one or more.
    """
    best = max(round(score.psnr, 2) for score in found.values())
    is_best = {each: round(score.psnr, 2) == best and len(found) > 1 for each, score in found.items()}
    rows = []
    for crop in crops:
        panels = _panels(images, crop, found, is_best)
        about = [f"{name}, x{scale}", f"{crop.width}x{crop.height} at {crop.x}, {crop.y}"]
        view = labelled(overview(images["HR"], crop, panels.shape[0] - len(about) * LINE), about)
        rows.append(joined([view, panels], axis=1, gap=2 * GAP))
    return np.pad(joined(rows, gap=2 * GAP), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), constant_values=255)


def _panels(images: Mapping[str, Image], crop: Box, found: Mapping[str, Score], is_best: Mapping[str, bool]) -> Image:
    """The enlarged crops with their labels; four and more stand in two rows."""
    factor = max(1, round(CROP / max(crop.width, crop.height)))
    labels = {"HR": ["HR", "PSNR / SSIM"], **{name: [name, str(score)] for name, score in found.items()}}
    width = max(factor * crop.width, *(text_width(line) for lines in labels.values() for line in lines))
    cells = [
        labelled(enlarged(crop.of(images[name]), factor), lines, width, is_best=is_best.get(name, False))
        for name, lines in labels.items()
    ]
    columns = len(cells) if len(cells) < 4 else ceil(len(cells) / 2)
    return joined([joined(cells[at : at + columns], axis=1) for at in range(0, len(cells), columns)])


def overview(hr: Image, crop: Box, height: int) -> Image:
    """The whole of ``hr`` (BGR), reduced to ``height`` and ``OVERVIEW`` if it is larger, with a frame around ``crop``.

    The frame lies outside the crop, except at the border of the image.
    """
    page = Pillow.fromarray(enlarged(hr, 1))
    page.thumbnail((OVERVIEW, height), Pillow.Resampling.LANCZOS)
    across, down = page.width / hr.shape[1], page.height / hr.shape[0]
    left, top = int(crop.x * across), int(crop.y * down)
    right, bottom = ceil((crop.x + crop.width) * across) - 1, ceil((crop.y + crop.height) * down) - 1
    for colour, outside, width in (("white", 4, 1), (RED, 3, 3)):
        near = max(left - outside, 0), max(top - outside, 0)
        far = min(right + outside, page.width - 1), min(bottom + outside, page.height - 1)
        ImageDraw.Draw(page).rectangle((near, far), outline=colour, width=width)
    return np.array(page)


def enlarged(image: Image, factor: int) -> Image:
    """``image`` (BGR) as RGB, each pixel a square of ``factor`` x ``factor``."""
    return image[..., ::-1].repeat(factor, axis=0).repeat(factor, axis=1)


def text_width(line: str) -> int:
    """Pixels that a line of text takes, bold or not."""
    return ceil(FONT.getlength(line)) + 2


def labelled(image: Image, lines: Sequence[str], width: int = 0, *, is_best: bool = False) -> Image:
    """``image`` above lines of text, ASCII, all centred in ``width`` or more pixels; bold and red if it is the best."""
    width = max(width, image.shape[1], *map(text_width, lines))
    page = Pillow.new("RGB", (width, image.shape[0] + LINE * len(lines)), "white")
    page.paste(Pillow.fromarray(image), ((width - image.shape[1]) // 2, 0))
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        left, top = (width - text_width(line)) // 2, image.shape[0] + number * LINE + 2
        for offset in range(1 + is_best):  # Pillow has no bold letters: drawn twice, a pixel apart
            draw.text((left + offset, top), line, RED if is_best else INK, FONT)
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
