"""The figure: crops of HR, bicubic interpolation and results with their scores, as in the paper's Figs. 5 to 8.

Pictures here are RGB, (H, W, 3), uint8. Pixels are repeated, never interpolated, except in the overview.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from tqdm import tqdm

from ssiu_arch.data.images import Image
from ssiu_arch.tools.compare.images import Box, Files, Subject, most_different, read, scores
from ssiu_arch.utils.table import Table

# All in pixels.
MARGIN = 16  # around the page
GAP = 10  # between panels
OVERVIEW = 640  # largest width of the overview
CROP = 200  # what the longer side of an enlarged crop comes near to
LETTERS, LINE = 15, 21  # height of letters, and from one line of text to the next

FONT = ImageFont.load_default(LETTERS)
INK, RED = (30, 30, 30), (196, 18, 48)


def figure(images: Sequence[Files], scale: int, crops: Sequence[Box], side: int) -> tuple[Image, list[Table]]:
    """Draw a block for each crop of each image, one below the other, and tabulate the scores.

    Args:
        images: what to compare, with the same names of results.
        scale: of the results, and width in pixels of the border that scores leave out.
        crops: of every image; empty: one per image, see ``most_different``.
        side: of that crop, in HR pixels.

    Returns:
        The page, and a table for each image.

    Raises:
        UserError: see ``read``.
    """
    blocks: list[tuple[Image, Image]] = []
    tables: list[Table] = []
    for files in tqdm(images, "compare", leave=False, disable=None):
        subject = read(files, scale, crops)
        shown = crops or [most_different(subject, scale, side)]
        found = scores(subject, scale)
        title = f"{subject.name}, whole image (crops shown: {'; '.join(map(str, shown))})"
        table = Table(f"{title}, on Y of YCbCr, border {scale}", ["PSNR (dB)", "SSIM"])
        table.rows += [(name, [f"{score.psnr:.4f}", f"{score.ssim:.4f}"]) for name, score in found.items()]
        tables.append(table)
        best = max(round(score.psnr, 2) for score in found.values())  # as printed
        best_names = {name for name, score in found.items() if round(score.psnr, 2) == best and len(found) > 1}
        labels = {name: [name, str(score)] for name, score in found.items()}
        for crop in shown:
            panels = _crops(subject, crop, labels, best_names)
            about = [f"{subject.name}, x{scale}", f"{crop.width}x{crop.height} at {crop.x}, {crop.y}"]
            blocks.append((labelled(overview(subject.hr, crop, panels.shape[0] - 2 * LINE), about), panels))
    left = max(view.shape[1] for view, _ in blocks)
    views = [np.pad(view, ((0, 0), (0, left - view.shape[1]), (0, 0)), constant_values=255) for view, _ in blocks]
    rows = [joined([view, panels], axis=1, gap=2 * GAP) for view, (_, panels) in zip(views, blocks, strict=True)]
    page = joined(rows, gap=2 * GAP)
    return np.pad(page, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), constant_values=255), tables


def _crops(subject: Subject, crop: Box, labels: dict[str, list[str]], best: set[str]) -> Image:
    """The enlarged crops with their labels; four and more stand in two rows."""
    factor = max(1, round(CROP / max(crop.width, crop.height)))
    labels = {"HR": ["HR", "PSNR / SSIM"], **labels}
    width = max(factor * crop.width, *(text_width(line) for lines in labels.values() for line in lines))
    cells = [
        labelled(enlarged(crop.of(image), factor), labels[name], width, is_best=name in best)
        for name, image in {"HR": subject.hr, **subject.results}.items()
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
