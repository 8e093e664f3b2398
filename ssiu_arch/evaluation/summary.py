"""The score tables that ``basicsr test`` prints and writes to ``results/NAME``: scores.md and scores.csv."""

import csv
import io
from dataclasses import dataclass, field
from math import log10
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import Any

from ssiu_arch.data.bicubic import BICUBIC
from ssiu_arch.data.known_sets import set_name
from ssiu_arch.evaluation import paper, provenance
from ssiu_arch.evaluation.paper import PSNR, PUBLISHED, SSIM
from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.table import WIDTH, Table, escaped

Options = dict[str, Any]
GREY = 20 * log10(255 / 219)  # dB by which PSNR on Y exceeds PSNR of the grey value: Y spans 219 of 255 levels


@dataclass
class SetScores:
    """The scores of one data set.

    Attributes:
        name: name in the option file.
        images: names, in order.
        means: of the network by metric, as BasicSR reports them; without metrics that need a missing GT.
        scores: of the network by metric, one per image; without metrics that were not called once per image.
        bicubic: of bicubic interpolation, likewise; empty if not measured.
        grey: the images that are stored with one channel.
        fingerprint: hash of the image files, or None.
    """

    name: str
    images: list[str] = field(default_factory=list)
    means: dict[str, float] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)
    bicubic: dict[str, list[float]] = field(default_factory=dict)
    grey: list[str] = field(default_factory=list)
    fingerprint: str | None = None

    def bicubic_means(self) -> dict[str, float]:
        """The mean scores of bicubic interpolation by metric."""
        return {metric: fmean(scores) for metric, scores in self.bicubic.items()}


def grey_effect(record: SetScores) -> str | None:
    """What scoring the grey value of greyscale images, as older papers do, would change; None if there are none.

    A grey picture that is stored as colour, such as Set14's ``man``, is scored on Y in those papers, too.
    """
    if not record.grey:
        return None
    shown = ", ".join(record.grey[:3]) + (", ..." if len(record.grey) > 3 else "")
    lower = GREY * len(record.grey) / len(record.images)
    return (
        f"{record.name}: {len(record.grey)} of {len(record.images)} images ({shown}) stored with one channel, scored "
        f"on Y of YCbCr like the others; by their grey value the mean PSNR on Y would be {lower:.4f} dB lower"
    )


def report(opt: Options | None, sets: list[SetScores]) -> None:
    """Print the scores of a test and write them to its results folder; does nothing without scores.

    ``opt`` are the options as the model has them.
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


def describe(options: dict[str, Any]) -> str:
    """The protocol of a metric: type, Y or RGB, 8 bit or float, crop border."""
    kind = options["type"]
    parts = [kind]
    if kind in PUBLISHED:
        parts.append("as published, on Y")
    elif kind in PSNR + SSIM:
        parts.append("on Y of YCbCr" if options.get("test_y_channel") else "on RGB")
    parts.append("float output, neither clamped nor rounded" if options.get("float_output") else "8-bit images")
    if "crop_border" in options:
        parts.append(f"border {options['crop_border']}")
    known = {"type", "test_y_channel", "float_output", "crop_border", "better"}
    parts += [f"{name} {value}" for name, value in options.items() if name not in known]
    return ", ".join(parts) + (", in dB" if kind in PSNR else "")


def metric_tables(opt: Options, sets: list[SetScores]) -> list[Table]:
    """One table per metric, one column per data set; rows: this run, bicubic, and the paper's rows that compare."""
    tables = []
    for metric, options in opt["val"]["metrics"].items():
        if not any(metric in record.means for record in sets):
            continue
        names = [record.name for record in sets]
        table = Table(f"{metric}: {describe(options)}", names)
        table.rows.append(("this run", [_cell(record.means.get(metric)) for record in sets]))
        if any(record.bicubic for record in sets):
            table.rows.append(("bicubic", [_cell(record.bicubic_means().get(metric)) for record in sets]))
        printed, table.note = paper.beside(options, opt.get("scale", 0), names)
        digits = 4 if options["type"] in SSIM else 2
        for method, scores in printed.items():
            cells = [scores.get(set_name(name) or "") for name in names]
            table.rows.append((method, [_cell(score, digits) for score in cells]))
        tables.append(table)
    return tables


def run_facts(opt: Options, sets: list[SetScores]) -> list[tuple[str, str]]:
    """How the scores were measured, as pairs of name and fact."""
    facts = [("warning", line) for line in unusual_bicubic(opt, sets)]
    facts += [("network", provenance.network(opt)), *(("weights", line) for line in provenance.weights(opt))]
    for record in sets:
        count = f"{len(record.images)} images" if len(record.images) != 1 else "1 image"
        files = f"names and bytes sha256 {record.fingerprint}" if record.fingerprint else "files not hashed"
        facts.append(("data", f"{record.name}: {count}, {files}"))
    facts += [("greyscale", note) for note in map(grey_effect, sets) if note]
    if any(set_name(record.name) for record in sets) and paper.rows(opt.get("scale", 0)):
        facts.append(("other rows", "Table I of Ni et al., IEEE TIP 34, 2025, as printed"))
    return [*facts, ("versions", provenance.versions())]


def unusual_bicubic(opt: dict[str, Any], sets: list[SetScores]) -> list[str]:
    """One line per benchmark on which bicubic interpolation does not score what it scores on the published files."""
    lines, scale = [], opt.get("scale", 0)
    for record in sets:
        known, means, changes = BICUBIC.get((set_name(record.name) or "", scale)), record.bicubic_means(), []
        for metric, options in opt["val"]["metrics"].items():
            is_ssim, is_8_bit = options["type"] == "calculate_ssim", not options.get("float_output")
            is_standard = options.get("test_y_channel") and options.get("crop_border") == scale and is_8_bit
            if known and metric in means and is_standard and (is_ssim or options["type"] == "calculate_psnr"):
                tolerance, digits = (0.0005, 4) if is_ssim else (0.005, 3)
                if abs(means[metric] - known[is_ssim]) > tolerance:
                    changes.append(f"{metric} {means[metric]:.{digits}f} instead of {known[is_ssim]:.{digits}f}")
        if changes:
            lines.append(
                f"{record.name}: bicubic interpolation scores {', '.join(changes)}, so these are not the published "
                "files; python datasets_prep/verify.py FOLDER names the reason"
            )
    return lines


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
