"""Crops of HR, bicubic interpolation and results side by side with their scores, as in the paper's Figs. 5 to 8."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from ssiu_arch.tools.compare import panels
from ssiu_arch.tools.compare.matching import Files
from ssiu_arch.tools.compare.panels import Image, Label, Panel
from ssiu_arch.tools.compare.subject import Box, Score, Subject, marks, most_different, read, scores
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.table import Table

PAGE = 1600  # pixels, the widest page
MARGIN = 16  # around it
OVERVIEW = 640  # pixels, the widest overview
ROOM = PAGE - 2 * MARGIN - OVERVIEW - 2 * panels.GAP  # for the crops beside it
CROP = 200  # pixels that the longer side of a crop comes near to


@dataclass(frozen=True)
class Plan:
    """What to draw.

    Attributes:
        scale: of the results, and the border that scores leave out.
        crops: of every image; empty: one of each, by ``most_different``.
        side: of the crop that is chosen, in pixels.
        factor: by which crops are enlarged; None: what brings their longer side near to ``CROP`` pixels.
        by_crop: scores are of the crops, not of whole images.
    """

    scale: int = 4
    crops: Sequence[Box] = ()
    side: int = 64
    factor: int | None = None
    by_crop: bool = False


def compare(images: Sequence[Files], plan: Plan, step: Callable[[str], None]) -> tuple[Image, list[Table]]:
    """The figure, one block for each crop of each image, and tables of the scores in it.

    Args:
        images: what to compare, all of them with the same names of results.
        plan: how.
        step: called with the name of each image before it is read.

    Returns:
        The page, RGB; a table for each image, or for each crop where scores are those of crops.

    Raises:
        UserError: as ``read`` and ``scores``; or a crop lies outside of its image, or does not fit the page.
    """
    blocks, tables, count = [], [], 0
    for files in images:
        step(files.name)
        subject = read(files, plan.scale)
        count = len(subject.results)
        for crop in plan.crops:
            subject.check_inside(crop)
        crops = plan.crops or [most_different(subject, plan.scale, plan.side)]
        regions = crops if plan.by_crop else [None]
        found = {region: scores(subject, plan.scale, region) for region in regions}
        for crop in crops:
            blocks.append(block(subject, crop, found[crop if plan.by_crop else None], plan.scale, plan.factor))
        shown = "; ".join(map(str, crops))
        for region, scored in found.items():
            what = f"crop {region}" if region else f"whole image (crops shown: {shown})"
            tables.append(_table(f"{subject.name}, {what}, on Y of YCbCr, border {plan.scale}", scored))
    page = panels.grid(blocks, gap=2 * panels.GAP)
    caption = panels.written(_wrapped(_caption(plan, count), max(page.shape[1], OVERVIEW)))
    return panels.on_page(panels.stacked([page, caption]), MARGIN), tables


def block(subject: Subject, crop: Box, found: Mapping[str, Score], scale: int, factor: int | None) -> list[Panel]:
    """One crop of one image: at the left all of HR with the crop's outline, at the right the crops, HR's first.

    Four crops and more stand in two rows; there are more rows where the page is too narrow.

    Args:
        subject: the image.
        crop: inside of it.
        found: scores by the name of the result.
        scale: of the results.
        factor: see ``Plan``.

    Raises:
        UserError: a single crop does not fit the page.
    """
    factor = factor or max(1, round(CROP / max(crop.width, crop.height)))
    crops = _crops(subject, crop, found, factor)
    widest = max(max(panel.image.shape[1], *map(panels.text_width, panel.lines)) for panel in crops)
    fitting = (ROOM + panels.GAP) // (widest + panels.GAP)
    if not fitting:
        raise UserError(
            f"--crop {crop}: enlarged {factor} times it takes {widest} pixels across, the page has room for {ROOM}: "
            "choose a smaller crop, or a smaller --enlarge, or shorter names"
        )
    rows = max(1 if len(crops) < 4 else 2, ceil(len(crops) / fitting))
    columns = ceil(len(crops) / rows)
    right = panels.grid([crops[start : start + columns] for start in range(0, len(crops), columns)])
    lines = [f"{subject.name}, x{scale}", f"{crop.width}x{crop.height} at {crop.x}, {crop.y}"]
    overview = _overview(subject.hr, crop, right.shape[0] - len(lines) * panels.LINE)
    return [Panel(panels.grid([[Panel(overview, lines)]])), Panel(right)]


def _crops(subject: Subject, crop: Box, found: Mapping[str, Score], factor: int) -> list[Panel]:
    """The enlarged crop of HR and of each result."""
    mark = marks(found)
    shown = [Panel(_shown(crop.of(subject.hr), factor), ["HR", "PSNR / SSIM"])]
    for name, image in subject.results.items():
        is_best = mark[name] == "best"
        colour = panels.BEST if is_best else panels.INK
        score = Label(str(found[name]), bold=is_best, underlined=mark[name] == "second", colour=colour)
        shown.append(Panel(_shown(crop.of(image), factor), [Label(name, bold=is_best, colour=colour), score]))
    return shown


def _overview(hr: Image, crop: Box, height: int) -> Image:
    """All of HR with the outline of the crop, as large as ``height`` and ``OVERVIEW`` allow."""
    h, w = hr.shape[:2]
    factor = min(height / h, OVERVIEW / w)
    if factor >= 1:
        shown = _shown(hr, int(factor))
    else:
        shown = panels.reduced(_shown(hr, 1), max(1, round(w * factor)), max(1, round(h * factor)))
    across, down = shown.shape[1] / w, shown.shape[0] / h
    left, top = int(crop.x * across), int(crop.y * down)
    right, bottom = ceil((crop.x + crop.width) * across), ceil((crop.y + crop.height) * down)
    box = left, top, min(right, shown.shape[1]) - left, min(bottom, shown.shape[0]) - top
    return panels.outlined(panels.outlined(shown, box, panels.WHITE, 4), box, panels.BEST, 3)


def _shown(image: Image, factor: int) -> Image:
    """``image`` (BGR) enlarged, as RGB."""
    return panels.enlarged(image[..., ::-1], factor)


def _table(title: str, found: Mapping[str, Score]) -> Table:
    rows = [(name, [f"{score.psnr:.4f}", f"{score.ssim:.4f}"]) for name, score in found.items()]
    return Table(title, ["PSNR (dB)", "SSIM"], rows)


def _caption(plan: Plan, count: int) -> str:
    what = "crop" if plan.by_crop else "whole image"
    parts = [
        f"PSNR (dB) / SSIM of the {what} on Y of YCbCr, a border of {plan.scale} pixels of the image left out.",
        {1: "", 2: "Bold: the better PSNR."}.get(count, "Bold: the best PSNR; underlined: the second best."),
        "Crops are enlarged by repeating pixels.",
    ]
    return " ".join(filter(None, parts))


def _wrapped(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and panels.text_width(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
