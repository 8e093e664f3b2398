"""Multiply-adds against PSNR, as in the paper's Fig. 1: networks of its Table I beside those measured."""

from pathlib import Path
from typing import Any

from ssiu_arch.evaluation import paper
from ssiu_arch.tools.profile.run import Plan, Row

Point = tuple[float, float, str]  # 10^9 multiply-adds, PSNR in dB, name
PRINTED, MEASURED = "tab:gray", "tab:red"
PLACES = (  # of a name around its point: offset in points of 1/72 inch, alignment; the first free one is taken
    ((0, -12), "center"),
    ((0, 6), "center"),
    ((6, -3), "left"),
    ((-6, -3), "right"),
    ((4, -11), "left"),
    ((-4, -11), "right"),
    ((4, 5), "left"),
    ((-4, 5), "right"),
)


def draw(path: Path, plan: Plan, rows: list[Row]) -> list[str]:
    """Draw the candidates of one size. Multiply-adds of Table I are for a result of 1280x720 pixels.

    Args:
        path: picture to write; its suffix decides the format.
        plan: what was measured.
        rows: of one size.

    Returns:
        Names of the candidates left out, without a PSNR.
    """
    from matplotlib.figure import Figure

    known = {candidate.row for candidate in plan.candidates}
    others = [row for row in paper.rows(plan.upscale) if row.method not in known and plan.psnr_set in row.psnr]
    printed: list[Point] = [(row.giga_macs, row.psnr[plan.psnr_set], row.method) for row in others]
    measured: dict[str, Point] = {}  # one point for all modes of SSIU, which cost the same
    for candidate, row in zip(plan.candidates, rows, strict=True):
        if row.psnr is not None:
            name = "SSIU (ours)" if candidate.row == "SSIU" else candidate.name
            measured.setdefault(name, (row.macs / row.batch / 1e9, row.psnr, name))

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    size = f"{rows[0].height}x{rows[0].width}"
    series = (
        ([*measured.values()], MEASURED, "D", f"measured, LR {size}"),
        (printed, PRINTED, "o", "the paper's Table I, as printed for 1280x720"),
    )
    for found, colour, marker, label in series:
        if found:
            macs, psnr, _ = zip(*found, strict=True)
            axes.scatter(macs, psnr, s=30, c=colour, marker=marker, label=label, zorder=3)
    axes.set_xlabel("multiply-adds (10⁹)")
    axes.set_ylabel(f"PSNR on Y (dB), {plan.psnr_set} x{plan.upscale}")
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    axes.grid(alpha=0.3)
    axes.margins(0.12)
    _write_names(axes, [(point, colour) for found, colour, *_ in series for point in found])
    figure.savefig(path, dpi=150)
    return [row.candidate for row in rows if row.psnr is None]


def _write_names(axes: Any, found: list[tuple[Point, str]]) -> None:
    """Write each point's name, in a colour, at the first of ``PLACES`` that covers no marker and no earlier name."""
    from matplotlib.transforms import Bbox

    axes.figure.draw_without_rendering()  # the layout, and so where points are
    markers = axes.transData.transform([point[:2] for point, _ in found])
    taken = [Bbox([centre - 5, centre + 5]) for centre in markers]
    for (x, y, name), colour in found:
        texts = [
            axes.annotate(name, (x, y), offset, textcoords="offset points", ha=side, fontsize=8, color=colour)
            for offset, side in PLACES
        ]
        best = min(texts, key=lambda text: text.get_window_extent().count_overlaps(taken))
        taken.append(best.get_window_extent())
        for text in texts:
            if text is not best:
                text.remove()
