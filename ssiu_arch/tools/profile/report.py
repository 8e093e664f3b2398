"""What was measured as text, Markdown, CSV, and a plot as the paper's Fig. 1."""

import csv
import io
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from ssiu_arch.evaluation import paper
from ssiu_arch.tools.profile.run import Plan, Row
from ssiu_arch.utils.table import Table, escaped
from ssiu_arch.utils.timing import digits, machine

COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {  # of the tables: attribute of a row, and how it is written
    "parameters": ("parameters", "{:,}".format),
    "G mult-adds": ("macs", lambda count: f"{count / 1e9:.1f}"),
    "ms": ("latency_s", lambda seconds: digits(1000 * seconds)),
    "25 %": ("latency_25_s", lambda seconds: digits(1000 * seconds)),
    "75 %": ("latency_75_s", lambda seconds: digits(1000 * seconds)),
    "ms ratio": ("latency_ratio", "{:.3f}".format),
    "images/s": ("images_per_s", digits),
    "MB": ("memory_bytes", lambda count: digits(count / 1e6)),
    "MB ratio": ("memory_ratio", "{:.3f}".format),
    "PSNR (dB)": ("psnr", "{:.2f}".format),
}
NAME_PLACES = [  # of a name around its point: offset in points of 1/72 inch, alignment
    *(((0, down), "center") for down in (-12, 6)),
    *(((across, down), side) for down in (-3, -11, 5) for across, side in ((6, "left"), (-6, "right"))),
]


def tables(plan: Plan, cases: list[list[Row]]) -> list[Table]:
    """One for each size, with the columns that have a value."""
    found = []
    for rows in cases:
        case = f"LR {rows[0].height}x{rows[0].width} (height x width), batch {rows[0].batch}"
        used = {name: each for name, each in COLUMNS.items() if any(getattr(row, each[0]) is not None for row in rows)}
        table = Table(f"{case}; ratios to {plan.baseline}", list(used))
        for row in rows:
            values = [(getattr(row, key), written) for key, written in used.values()]
            table.rows.append((row.candidate, ["-" if value is None else written(value) for value, written in values]))
        found.append(table)
    return found


def text(plan: Plan, cases: list[list[Row]], *, markdown: bool = False) -> str:
    """The tables, then where and how it was measured and what was not; for a terminal or as Markdown."""
    facts = [("machine", f"{machine(plan.device)}, torch {torch.__version__}, {plan.threads} CPU threads")]
    facts.append(("scale", f"x{plan.upscale}"))
    if plan.runs:
        facts.append(("latency", f"median by wall clock of {plan.runs} rounds after {plan.warmup}, all in turns"))
    if plan.with_memory:
        facts.append(("memory", "10^6 bytes that one forward adds at its peak, in a fresh process"))
    if plan.psnr:
        facts.append(("PSNR", f"on Y of {plan.psnr_set}: from the paper's Table I, or given by --psnr; not measured"))
    facts += [("not measured", f"{row}: {row.note}") for rows in cases for row in rows if row.note]
    shown = [table.markdown() if markdown else table.text() for table in tables(plan, cases)]
    lines = [f"- {name}: {escaped(fact)}" if markdown else f"{name:14}{fact}" for name, fact in facts]
    return "\n".join([*shown, *lines]) + "\n" * markdown


def csv_text(plan: Plan, cases: list[list[Row]]) -> str:
    """One line for each candidate and size with all digits; seconds and bytes."""
    about = {"upscale": plan.upscale, "baseline": plan.baseline, "runs": plan.runs, "device": str(plan.device)}
    about |= {"machine": machine(plan.device), "threads": plan.threads, "torch": torch.__version__}
    records = [asdict(row) | about for rows in cases for row in rows]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(records[0]))
    writer.writeheader()
    writer.writerows(records)  # None is written as nothing
    return file.getvalue()


def figure(plan: Plan, rows: list[Row]) -> Any:
    """Multiply-adds against PSNR: the candidates of one size that have a PSNR, beside the rest of the paper's Table I.

    Multiply-adds of Table I are for a result of 1280x720 pixels. All modes of SSIU, which cost the same, are one point.
    """
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    known = {candidate.row for candidate in plan.candidates}
    printed = {
        row.method: (row.giga_macs, row.psnr[plan.psnr_set])
        for row in paper.rows(plan.upscale)
        if row.method not in known and plan.psnr_set in row.psnr
    }
    measured = {
        "SSIU (ours)" if candidate.row == "SSIU" else candidate.name: (row.macs / row.batch / 1e9, row.psnr)
        for candidate, row in zip(plan.candidates, rows, strict=True)
        if row.psnr is not None
    }
    plot = Figure(figsize=(7, 5), dpi=150, layout="constrained")
    axes = plot.add_subplot()
    here = f"measured, LR {rows[0].height}x{rows[0].width}"
    series = ((measured, "tab:red", "D", here), (printed, "tab:gray", "o", "the paper's Table I, as printed"))
    for points, colour, marker, label in series:
        if points:
            macs, psnr = zip(*points.values(), strict=True)
            axes.scatter(macs, psnr, s=30, c=colour, marker=marker, label=label, zorder=3)
    axes.set_xlabel("multiply-adds (10⁹)")
    axes.set_ylabel(f"PSNR on Y (dB), {plan.psnr_set} x{plan.upscale}")
    plot.legend(loc="outside upper center", ncols=2, fontsize=8)
    axes.grid(alpha=0.3)
    axes.margins(0.12)
    plot.draw_without_rendering()  # the layout, and so where points are
    # Each name tries every place around its point, and stays where it covers the fewest markers and earlier names.
    centres = axes.transData.transform([*measured.values(), *printed.values()])
    taken = [Bbox([centre - 5, centre + 5]) for centre in centres]
    for points, colour, *_ in series:
        for name, point in points.items():
            tried = [
                axes.annotate(name, point, place, textcoords="offset points", ha=side, fontsize=8, color=colour)
                for place, side in NAME_PLACES
            ]
            best = min(tried, key=lambda text: text.get_window_extent().count_overlaps(taken))
            taken.append(best.get_window_extent())
            for text in tried:
                text.set_visible(text is best)
    return plot
