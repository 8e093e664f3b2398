"""The score tables that ``basicsr test`` prints and writes to ``results/NAME``: scores.md and scores.csv."""

import csv
import io
from pathlib import Path
from textwrap import fill
from typing import Any

from ssiu_arch.data.known_sets import set_name
from ssiu_arch.evaluation import paper, protocol, provenance
from ssiu_arch.evaluation.record import SetScores, grey_effect
from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.table import WIDTH, Table, escaped

Options = dict[str, Any]


def report(opt: Options | None, sets: list[SetScores]) -> None:
    """Print the scores of a test and write them to its results folder; does nothing without scores.

    Args:
        opt: the options of the run, as the model has them.
        sets: the scores, as ``ssiu_arch.evaluation.watch`` records them.
    """
    if opt is None or not sets:
        return
    tables, facts = metric_tables(opt, sets), run_facts(opt, sets)
    folder = Path(opt["path"]["results_root"])
    write_csv(opt, sets)
    write_file(folder / "scores.md", _markdown(opt, tables, facts).encode())

    print(f"\nScores of {opt['name']}, scale {opt.get('scale')}\n")
    print("\n".join(table.text() for table in tables))
    for name, fact in [*facts, ("written to", f"{folder / 'scores.md'} and {folder / 'scores.csv'}")]:
        print(fill(fact, WIDTH, initial_indent=f"{name:12}", subsequent_indent=" " * 12, break_long_words=False))


def metric_tables(opt: Options, sets: list[SetScores]) -> list[Table]:
    """One table per metric, one column per data set; rows: this run, bicubic, and the paper's rows that compare."""
    tables = []
    for metric, options in opt["val"]["metrics"].items():
        if not any(metric in record.means for record in sets):
            continue
        names = [record.name for record in sets]
        table = Table(f"{metric}: {protocol.describe(options)}", names)
        table.rows.append(("this run", [_cell(record.means.get(metric)) for record in sets]))
        if any(record.bicubic for record in sets):
            table.rows.append(("bicubic", [_cell(record.bicubic_means().get(metric)) for record in sets]))
        beside = protocol.beside(options, opt["scale"], names) if "scale" in opt else protocol.Beside({})
        digits = 4 if options["type"] in protocol.SSIM else 2
        for method, scores in beside.rows.items():
            cells = [scores.get(set_name(name) or "") for name in names]
            table.rows.append((method, [_cell(score, digits) for score in cells]))
        table.note = beside.note
        tables.append(table)
    return tables


def run_facts(opt: Options, sets: list[SetScores]) -> list[tuple[str, str]]:
    """How the scores were measured, as pairs of name and fact."""
    facts = [("warning", line) for line in protocol.unusual_bicubic(opt, sets)]
    facts += [("network", provenance.network(opt)), *(("weights", line) for line in provenance.weights(opt))]
    for record in sets:
        count = f"{len(record.images)} images" if len(record.images) != 1 else "1 image"
        files = f"names and bytes sha256 {record.fingerprint}" if record.fingerprint else "files not hashed"
        facts.append(("data", f"{record.name}: {count}, {files}"))
    facts += [("greyscale", note) for note in map(grey_effect, sets) if note]
    if any(set_name(record.name) for record in sets) and paper.rows(opt.get("scale", 0)):
        facts.append(("other rows", "Table I of Ni et al., IEEE TIP 34, 2025, as printed"))
    return [*facts, ("versions", provenance.versions())]


def _cell(score: float | None, digits: int = 4) -> str:
    return "-" if score is None else f"{score:.{digits}f}"


def _markdown(opt: Options, tables: list[Table], facts: list[tuple[str, str]]) -> str:
    title = f"# Scores of {opt['name']}, scale {opt.get('scale')}\n\n"
    listed = "".join(f"- {name}: {escaped(fact)}\n" for name, fact in facts)
    return title + "\n".join(table.markdown() for table in tables) + "\nMeasured on and with:\n\n" + listed


def write_csv(opt: Options, sets: list[SetScores]) -> None:
    """Write scores.csv: a row per image, sorted by name, and a row ``mean`` per data set, with all digits."""
    metrics = [metric for metric in opt["val"]["metrics"] if any(metric in record.means for record in sets)]
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["set", "row", "image", *metrics, *(f"bicubic_{metric}" for metric in metrics)])
    for record in sets:
        for i, image in sorted(enumerate(record.images), key=lambda item: item[1]):
            scored = [by_metric.get(m) for by_metric in (record.scores, record.bicubic) for m in metrics]
            cells = ["" if scores is None else repr(float(scores[i])) for scores in scored]
            writer.writerow([record.name, "image", image, *cells])
        both = [means.get(m) for means in (record.means, record.bicubic_means()) for m in metrics]
        writer.writerow([record.name, "mean", "", *("" if value is None else repr(value) for value in both)])
    write_file(Path(opt["path"]["results_root"], "scores.csv"), file.getvalue().encode())
