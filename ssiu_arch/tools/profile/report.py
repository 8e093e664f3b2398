"""A profile as text, Markdown and CSV."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ssiu_arch.tools.profile.forms import Size
from ssiu_arch.tools.profile.latency import Latency, MatrixProduct
from ssiu_arch.tools.profile.run import Profile, Row, describe, machine, text_of
from ssiu_arch.utils.table import Table, escaped

NONE = "-"
MEANING = """
| column | what it is |
| --- | --- |
| parameters | of the network as registered |
| G mult-adds | 10^9 multiply-adds of the batch: convolutions and matrix products on the padded input, those of attention too; one multiply-add is one, counted on the network as registered |
| ms, 25-75 % | median of the rounds and its quartiles, for the batch |
| ms ratio | median over the rounds of the latency in units of the baseline's in the same round |
| images/s | at the median latency |
| of peak | two operations for each multiply-add, by the rate of a large matrix product of the same precision, the better of torch's and the fast form's |
| MB | 10^6 bytes that one forward adds at its highest, in a process of its own |
| MB ratio | that in units of the baseline's |
"""  # noqa: E501


def tables(profile: Profile) -> list[Table]:
    """One for each size and batch; then what grows with the size, and with the batch, where there are several."""
    found = [_of_case(profile, *case) for case in profile.plan.cases]
    if len(profile.plan.sizes) > 1:
        for batch in profile.plan.batches:
            found += _growth(profile, batch)
    if len(profile.plan.batches) > 1 and profile.plan.runs:
        found += [_throughput(profile, size) for size in profile.plan.sizes]
    return found


def facts(profile: Profile) -> list[tuple[str, str]]:
    """What it was measured on and how: name and fact."""
    plan = profile.plan
    found = [("machine", f"{machine(plan.device)}, torch {torch.__version__}, {plan.threads} threads of the CPU")]
    found.append(("scale", f"x{plan.upscale}"))
    if plan.runs:
        clock = "CUDA events" if plan.device.type == "cuda" else "wall clock"
        found.append(("latency", f"{clock}, {plan.runs} rounds after {plan.warmup}, all candidates in turn in each"))
    for precision, rate in profile.rates.items():
        ways = "the better of " + " and ".join(MatrixProduct.WAYS)
        said = f"{precision}: {_digits(rate.flop_per_s / 1e9)} GFLOP/s in products of {rate.side}x{rate.side} matrices"
        found.append(("peak", f"{said} by {rate.by}, {ways}, in the same rounds"))
    found += [("not measured", f"latency of {describe(row)}: {row.failure}") for row in profile.rows if row.failure]
    noted = (row for row in profile.rows if row.peak and row.peak.note and not row.failure)
    return [*found, *(("not measured", f"memory of {describe(row)}: {row.peak.note}") for row in noted if row.peak)]


def markdown(profile: Profile) -> str:
    """The whole report, with what the columns mean."""
    listed = "".join(f"- {name}: {escaped(fact)}\n" for name, fact in facts(profile))
    body = "\n".join(table.markdown() for table in tables(profile))
    return f"# Cost of networks, x{profile.plan.upscale}\n\n{body}{MEANING}\nMeasured on and how:\n\n{listed}"


def write_csv(path: Path, profile: Profile) -> None:
    """One row a candidate, size and batch, numbers in full, times in seconds, memory in bytes."""
    records = [_record(profile, row) for row in profile.rows]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def _record(profile: Profile, row: Row) -> dict[str, Any]:
    plan, candidate, latency = profile.plan, row.candidate, row.latency
    low, high = latency.quartiles if latency else (None, None)
    rate = profile.rates.get(candidate.precision)
    return {  # None is written as nothing
        "candidate": candidate.name,
        "arch": candidate.arch,
        "form": candidate.form,
        "precision": candidate.precision,
        "upscale": plan.upscale,
        "height": row.size[0],
        "width": row.size[1],
        "batch": row.batch,
        "parameters": row.parameters,
        "macs": row.macs,
        "latency_s": latency.median if latency else None,
        "latency_25_s": low,
        "latency_75_s": high,
        "latency_ratio": row.slowdown,
        "images_per_s": row.images_per_second,
        "share_of_peak": row.share,
        "peak_flop_per_s": rate.flop_per_s if rate else None,
        "peak_by": rate.by if rate else None,
        "memory_bytes": _bytes(row),
        "memory_ratio": _memory_ratio(profile, row),
        "baseline": plan.baseline,
        "runs": plan.runs,
        "device": str(plan.device),
        "machine": machine(plan.device),
        "threads": plan.threads,
        "torch": torch.__version__,
        "failure": row.failure,
    }


def _of_case(profile: Profile, size: Size, batch: int) -> Table:
    columns: dict[str, Callable[[Row], str]] = {
        "parameters": lambda row: f"{row.parameters:,}",
        "G mult-adds": lambda row: f"{row.macs / 1e9:.1f}",
    }
    if profile.plan.runs:
        columns |= {
            "ms": lambda row: _of(row.latency, lambda latency: _digits(1000 * latency.median)),
            "25-75 %": lambda row: _of(row.latency, _spread),
            "ms ratio": lambda row: _of(row.slowdown, "{:.3f}".format),
            "images/s": lambda row: _of(row.images_per_second, _digits),
            "of peak": lambda row: _of(row.share, "{:.1%}".format),
        }
    if profile.plan.with_memory:
        columns |= {
            "MB": lambda row: _of(_bytes(row), lambda count: _digits(count / 1e6)),
            "MB ratio": lambda row: _of(_memory_ratio(profile, row), "{:.3f}".format),
        }
    title = f"LR {text_of(size)} (height x width), batch {batch}; ratios to {profile.plan.baseline}"
    table = Table(title, list(columns))
    for row in profile.case(size, batch):
        table.rows.append((row.candidate.name, [cell(row) for cell in columns.values()]))
    return table


def _growth(profile: Profile, batch: int) -> list[Table]:
    plan, found = profile.plan, []
    quantities: list[tuple[bool, str, Callable[[Row], float | None]]] = [
        (plan.runs > 0, "nanoseconds", lambda row: 1e9 * row.latency.median if row.latency else None),
        (plan.with_memory, "bytes of memory", _bytes),
    ]
    for is_measured, unit, quantity in quantities:
        if is_measured:
            title = f"Growth: {unit} for an LR pixel, batch {batch}; the same number throughout is linear growth"
            table = Table(title, [text_of(size) for size in plan.sizes])
            for candidate in plan.candidates:
                rows = [profile.row(candidate.name, size, batch) for size in plan.sizes]
                pixels = [row.batch * row.size[0] * row.size[1] for row in rows]
                values = [(quantity(row), count) for row, count in zip(rows, pixels, strict=True)]
                cells = [NONE if value is None else _digits(value / count) for value, count in values]
                table.rows.append((candidate.name, cells))
            found.append(table)
    return found


def _throughput(profile: Profile, size: Size) -> Table:
    batches = profile.plan.batches
    table = Table(f"Throughput: images/s by batch, LR {text_of(size)}", [str(batch) for batch in batches])
    for candidate in profile.plan.candidates:
        rows = [profile.row(candidate.name, size, batch) for batch in batches]
        table.rows.append((candidate.name, [_of(row.images_per_second, _digits) for row in rows]))
    return table


def _memory_ratio(profile: Profile, row: Row) -> float | None:
    mine, base = _bytes(row), _bytes(profile.row(profile.plan.baseline, row.size, row.batch))
    return mine / base if mine is not None and base else None


def _bytes(row: Row) -> int | None:
    return row.peak.bytes if row.peak else None


def _of(value: Any, cell: Callable[[Any], str]) -> str:
    return NONE if value is None else cell(value)


def _spread(latency: Latency) -> str:
    return " to ".join(_digits(1000 * seconds) for seconds in latency.quartiles)


def _digits(value: float) -> str:
    """Three digits or more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
