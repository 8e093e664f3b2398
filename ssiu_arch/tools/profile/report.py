"""What was measured as text, Markdown and CSV."""

import csv
import io
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

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


def facts(plan: Plan, cases: list[list[Row]]) -> list[tuple[str, str]]:
    """Where and how it was measured, and what was not: name and fact."""
    found = [
        ("machine", f"{machine(plan.device)}, torch {torch.__version__}, {plan.threads} CPU threads"),
        ("scale", f"x{plan.upscale}"),
    ]
    if plan.runs:
        clock = "CUDA events" if plan.device.type == "cuda" else "wall clock"
        found.append(("latency", f"median by {clock} of {plan.runs} rounds after {plan.warmup}, all in turns"))
    if plan.with_memory:
        found.append(("memory", "10^6 bytes that one forward adds at its peak, in a fresh process"))
    if plan.psnr:
        found.append(("PSNR", f"on Y of {plan.psnr_set}: from the paper's Table I, or given by --psnr; not measured"))
    for row in (row for rows in cases for row in rows):
        if row.latency_note:
            found.append(("not measured", f"latency of {row}: {row.latency_note}"))
        elif row.memory_note:
            found.append(("not measured", f"memory of {row}: {row.memory_note}"))
    return found


def text(plan: Plan, cases: list[list[Row]]) -> str:
    """The tables and facts for a terminal."""
    lines = [f"{name:14}{fact}" for name, fact in facts(plan, cases)]
    return "\n".join([*(table.text() for table in tables(plan, cases)), *lines])


def markdown(plan: Plan, cases: list[list[Row]]) -> str:
    """The tables and facts as Markdown."""
    listed = "".join(f"- {name}: {escaped(fact)}\n" for name, fact in facts(plan, cases))
    return f"# Cost of networks, x{plan.upscale}\n\n" + "\n".join(
        [*(table.markdown() for table in tables(plan, cases)), listed]
    )


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
