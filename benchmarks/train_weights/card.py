"""What is told of shipped weights: a model card, and the curves of their training as CSV and as a plot."""

import csv
import io
import shlex
from collections.abc import Sequence
from typing import Any

from benchmarks.train_weights.log import Row
from ssiu_arch.data.bicubic import BICUBIC
from ssiu_arch.evaluation import paper
from ssiu_arch.utils.table import Table, escaped

COLUMNS = ("stint", "iteration", "l_pix", "l_fft", "psnr")
LOSSES = COLUMNS[2:4]
SCRATCH = "from scratch"  # the start of a stint without weights
PAPER = round(1_000_500 * 40 * 64**2 / 1e6)  # LR pixels that the paper's training saw, in millions


def curves(before: str, stint: int, rows: Sequence[Row]) -> str:
    """The CSV of all stints: that of those ``before``, and the rows of this one, counted from 1."""
    kept = [row for row in csv.DictReader(io.StringIO(before)) if int(row["stint"]) < stint]
    new = [
        {"stint": stint, "iteration": row.iteration, "psnr": "" if row.psnr is None else row.psnr}
        | {name: row.losses.get(name, "") for name in LOSSES}
        for row in rows
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*kept, *new])
    return text.getvalue()


def plot(text: str, title: str) -> bytes:
    """The CSV of ``curves`` as a PNG: the losses, and the PSNR while training, by iterations of all stints."""
    from matplotlib.figure import Figure

    rows = list(csv.DictReader(io.StringIO(text)))
    at, done, last = [], 0, 0
    for n, row in enumerate(rows):
        if n and row["stint"] != rows[n - 1]["stint"]:
            done += last
        last = int(row["iteration"])
        at.append(done + last)
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    losses = figure.add_subplot()
    scores = losses.twinx()
    for name in LOSSES:
        points = [(x, float(row[name])) for x, row in zip(at, rows, strict=True) if row[name]]
        losses.plot(*zip(*points, strict=True) if points else ([], []), label=name, linewidth=0.8)
    points = [(x, float(row["psnr"])) for x, row in zip(at, rows, strict=True) if row["psnr"]]
    scores.plot(*zip(*points, strict=True) if points else ([], []), "k.-", label="PSNR")
    losses.set(xlabel="iterations", ylabel="loss", yscale="log", title=title)
    scores.set_ylabel("PSNR on Y (dB), validation")
    losses.legend(loc="lower right", frameon=False)
    data = io.BytesIO()
    figure.savefig(data, dpi=100, metadata={"Software": None})
    return data.getvalue()


def card(record: dict[str, Any]) -> str:
    """The model card of a record, as ``shipping.ship`` makes it: Markdown."""
    scale, stints = record["scale"], record["stints"]
    last = stints[-1]
    total, hours = sum(s["iterations"] for s in stints), sum(s["seconds"] for s in stints) / 3600
    images, megapixels, seen = last["data"]["images"], _figure(last["data"]["megapixels"]), _millions(stints)
    machines = ", ".join(dict.fromkeys(stint["device"] for stint in stints))
    lines = [
        f"# SSIU x{scale}, trained by this project",
        "",
        f"These are not the weights of the paper. They were trained on {images} photos of {megapixels} megapixels "
        f"in all, not on DF2K (3,450 images of 2K), and for {total:,} iterations, in which they saw {seen} "
        f"million LR pixels; the paper's had 1,000,500 iterations of 40 patches of 64x64, {PAPER:,} million."
        f"{_begun(stints)}",
        "",
        _scores(record).markdown(),
        f"- file: SSIU_x{scale}.pth, the moving average of the weights in half precision, sha256 `{record['sha256']}`",
        f"- training: {total:,} iterations, {hours:.2f} hours on {machines}",
        f"- versions: {escaped(record['versions'])}",
        f"- losses and scores while training: [SSIU_x{scale}.csv](SSIU_x{scale}.csv)",
        "",
        f"![Losses, and PSNR on the validation photos, by iterations](SSIU_x{scale}.png)",
        "",
    ]
    lines += ["## Data", "", _sources(last["data"]["sources"]).markdown()]
    for number, stint in enumerate(stints, 1):
        lines += _stint(number, stint)
    return "\n".join(lines)


def _scores(record: dict[str, Any]) -> Table:
    scale, scores = record["scale"], record["scores"]
    printed = next(row.psnr for row in paper.rows(scale) if row.method == paper.SSIU)
    table = Table(f"PSNR in dB / SSIM, on Y, border {scale}, 8-bit images; LR by MATLAB's bicubic.", list(scores))
    bicubic = {name: psnr for (name, at), (psnr, _) in BICUBIC.items() if at == scale} | record["bicubic"]
    bicubic_ssim = {name: ssim for (name, at), (_, ssim) in BICUBIC.items() if at == scale}
    for method, psnr, ssim in (
        ("bicubic", bicubic, bicubic_ssim),
        ("these weights", scores, record["ssim"]),
        ("the paper's weights", printed, {}),
    ):
        table.rows.append((method, [_cell(psnr.get(name), ssim.get(name)) for name in scores]))
    table.note = (
        f"{next(iter(scores))} decided whether these weights were shipped; other sets were measured after that. "
        "The paper's PSNR is as printed in its Table I; its SSIM is of another protocol and not comparable."
    )
    return table


def _cell(psnr: float | None, ssim: float | None) -> str:
    if psnr is None:
        return "-"
    return f"{psnr:.2f}" if ssim is None else f"{psnr:.2f} / {ssim:.4f}"


def _millions(stints: Sequence[dict[str, Any]]) -> str:
    seen = sum(s["iterations"] * s["data"]["batch"] * s["data"]["patch"] ** 2 for s in stints)
    return _figure(seen / 1e6)


def _figure(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _begun(stints: Sequence[dict[str, Any]]) -> str:
    start = stints[0]["start"]
    return "" if start == SCRATCH else f" They began as {start.partition(',')[0]}, whose training is not counted here."


def _sources(origins: Sequence[Sequence[Any]]) -> Table:
    table = Table("Photos of the last stint. The licence of the code says nothing about theirs.", ["licence", "images"])
    table.rows = [(source, [licence, str(count)]) for source, licence, count in origins]
    return table


def _stint(number: int, stint: dict[str, Any]) -> list[str]:
    data = stint["data"]
    predicted = f"{stint['predicted_rate']:.3g} iterations/s, Set5 {stint['expected']:.2f} dB (a guess)"
    return [
        f"## Stint {number}",
        "",
        f"- start: {escaped(stint['start'])}; highest learning rate {stint['rate']:g}, decayed to 1e-6",
        f"- an iteration: {data['batch']} LR patches of {data['patch']}x{data['patch']}",
        f"- predicted: {stint['planned']:,} iterations, {predicted}",
        f"- measured: {stint['iterations']:,} iterations, {stint['measured_rate']:.3g} iterations/s, "
        f"{stint['seconds'] / 60:.1f} minutes on {stint['device']}",
        "",
        "```bash",
        stint["command"],
        "```",
        "",
    ]


def command(arguments: Sequence[str]) -> str:
    """A command line that can be pasted into a shell."""
    return shlex.join(["python", *arguments])
