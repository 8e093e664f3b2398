"""What was measured as text, Markdown and CSV."""

import csv
import io
from collections.abc import Callable
from typing import Any

import torch

from ssiu_arch.tools.profile.latency import machine
from ssiu_arch.tools.profile.run import Plan, Row
from ssiu_arch.utils.table import Table, escaped


def _digits(value: float) -> str:
    """Three digits or more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {  # of the tables: entry of a record, and how it is written
    "parameters": ("parameters", "{:,}".format),
    "G mult-adds": ("macs", lambda count: f"{count / 1e9:.1f}"),
    "ms": ("latency_s", lambda seconds: _digits(1000 * seconds)),
    "25 %": ("latency_25_s", lambda seconds: _digits(1000 * seconds)),
    "75 %": ("latency_75_s", lambda seconds: _digits(1000 * seconds)),
    "ms ratio": ("latency_ratio", "{:.3f}".format),
    "images/s": ("images_per_s", _digits),
    "MB": ("memory_bytes", lambda count: _digits(count / 1e6)),
    "MB ratio": ("memory_ratio", "{:.3f}".format),
    "PSNR (dB)": ("psnr", "{:.2f}".format),
}


def tables(plan: Plan, cases: list[list[Row]]) -> list[Table]:
    """One for each size and batch, with the columns that were measured."""
    found = []
    for rows in cases:
        (height, width), batch = rows[0].size, rows[0].batch
        records = [_record(plan, row) for row in rows]
        measured = [name for name, (key, _) in COLUMNS.items() if any(record[key] is not None for record in records)]
        table = Table(f"LR {height}x{width} (height x width), batch {batch}; ratios to {plan.baseline}", measured)
        for record in records:
            values = [(record[COLUMNS[name][0]], COLUMNS[name][1]) for name in measured]
            table.rows.append((record["candidate"], ["-" if value is None else text(value) for value, text in values]))
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
        if row.failure:
            found.append(("not measured", f"latency of {row}: {row.failure}"))
        elif row.peak and row.peak.note:
            found.append(("not measured", f"memory of {row}: {row.peak.note}"))
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
    """One line for each candidate, size and batch with all digits; seconds and bytes."""
    records = [_record(plan, row) for rows in cases for row in rows]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(records[0]))
    writer.writeheader()
    writer.writerows(records)  # None is written as nothing
    return file.getvalue()


def _record(plan: Plan, row: Row) -> dict[str, Any]:
    latency = row.latency
    low, high = latency.quartiles if latency else (None, None)
    return {
        "candidate": row.candidate.name,
        "arch": row.candidate.arch,
        "precision": row.candidate.precision,
        "upscale": plan.upscale,
        "height": row.size[0],
        "width": row.size[1],
        "batch": row.batch,
        "parameters": row.parameters,
        "macs": row.macs,
        "latency_s": latency.median if latency else None,
        "latency_25_s": low,
        "latency_75_s": high,
        "latency_ratio": row.latency_ratio,
        "images_per_s": row.batch / latency.median if latency else None,
        "memory_bytes": row.peak.bytes if row.peak else None,
        "memory_ratio": row.memory_ratio,
        "psnr": plan.psnr.get(row.candidate.name),
        "baseline": plan.baseline,
        "runs": plan.runs,
        "device": str(plan.device),
        "machine": machine(plan.device),
        "threads": plan.threads,
        "torch": torch.__version__,
        "failure": row.failure,
    }
