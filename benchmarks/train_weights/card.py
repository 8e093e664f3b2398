"""The model card of shipped weights, and the curves of their training as CSV and plot."""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby
from typing import Any

from benchmarks.train_weights.log import Row
from ssiu_arch.evaluation import paper
from ssiu_arch.utils.table import escaped

COLUMNS = ("run", "iteration", "l_pix", "l_fft", "psnr")
PAPER = round(1_000_500 * 40 * 64**2 / 1e6)  # LR pixels in the paper's training, in millions
WINDOW = 15  # logged losses in the moving average of the plot


def curves(before: str, run: int, rows: Iterable[Row]) -> str:
    """Return the CSV of all runs: the rows ``before`` of earlier ones, then those of this one; runs count from 1."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(row for row in csv.DictReader(before.splitlines()) if int(row["run"]) < run)
    writer.writerows({"run": run, "iteration": row.iteration, "psnr": row.psnr, **row.losses} for row in rows)
    return text.getvalue()


def smoothed(values: Sequence[float]) -> list[float]:
    """Return the centred moving average over ``WINDOW`` values, over fewer at both ends."""
    parts = [values[max(0, at - WINDOW // 2) : at + WINDOW // 2 + 1] for at in range(len(values))]
    return [sum(part) / len(part) for part in parts]


def plot(text: str, title: str) -> bytes:
    """Return the CSV of ``curves`` as PNG: smoothed losses and validation PSNR over the iterations of all runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.8), layout="constrained")
    losses = figure.add_subplot()
    scores = losses.twinx()
    for name, axes, style in (("l_pix", losses, "C0-"), ("l_fft", losses, "C1-"), ("psnr", scores, "k.-")):
        at, values, done = [], [], 0
        for _, group in groupby(csv.DictReader(text.splitlines()), key=lambda row: row["run"]):
            rows = list(group)
            logged = [float(row[name]) for row in rows if row[name]]
            values += logged if axes is scores else smoothed(logged)  # by run: the level depends on its patch size
            at += [done + int(row["iteration"]) for row in rows if row[name]]
            done += int(rows[-1]["iteration"])
        axes.plot(at, values, style, label="validation PSNR" if axes is scores else name)
    losses.set(xlabel="iterations", ylabel=f"loss (mean of {WINDOW} logged values)", yscale="log", title=title)
    scores.set_ylabel("PSNR on Y (dB)")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    data = io.BytesIO()
    figure.savefig(data, dpi=100, metadata={"Software": None})
    return data.getvalue()


def card(record: dict[str, Any]) -> str:
    """Return the model card of a record (``ship.ship``) in Markdown."""
    scale, runs, scores = record["scale"], record["runs"], record["scores"]
    printed = next(row.psnr for row in paper.rows(scale) if row.method == paper.SSIU)
    total, last = sum(run["iterations"] for run in runs), runs[-1]
    seen = sum(run["iterations"] * run["batch"] * run["patch"] ** 2 for run in runs) / 1e6
    start = runs[0]["start"].partition(",")[0]
    begun = f"\nTraining began with {start}, whose own training is not in the table." * (start != "from scratch")
    notes = "".join(f"\n{escaped(run['note'])}" for run in runs if run["note"])
    text = f"""# SSIU x{scale}, trained by this project

**These are not the paper's weights.** They saw less data for fewer iterations, and score lower.{begun}{notes}

|  | these weights | the paper's |
| --- | ---: | ---: |
| photos | {last["images"]:,} ({last["megapixels"]:,.1f} megapixels) | 3,450 of 2K (DF2K) |
| iterations | {total:,} | 1,000,500 |
| LR pixels seen, in millions | {seen:,.1f} | {PAPER:,} |
| hours | {sum(run["seconds"] for run in runs) / 3600:.2f} | - |

## Scores

PSNR in dB / SSIM on Y, crop border {scale}, 8-bit images; LR by MATLAB's bicubic.

|  | {" | ".join(scores)} |
| --- |{" ---: |" * len(scores)}
| bicubic | {" | ".join(cell(*record["bicubic"][name]) for name in scores)} |
| these weights | {" | ".join(cell(*scores[name]) for name in scores)} |
| the paper's | {" | ".join(cell(printed.get(name), None) for name in scores)} |

{next(iter(scores))}, for validation, decided whether these weights were shipped; the others were measured afterwards.
The paper's PSNR is from its Table I. Its SSIM follows another protocol and does not compare.

## File

- `SSIU_x{scale}.pth`: EMA weights in half precision
- sha256: `{record["sha256"]}`
- versions: {escaped(record["versions"])}
- losses and validation scores: [SSIU_x{scale}.csv](SSIU_x{scale}.csv)

![Losses and validation PSNR over iterations](SSIU_x{scale}.png)

## Data

Photos{" of the last run" if len(runs) > 1 else ""}. The licence of the code does not cover them.

| source | licence | images |
| --- | --- | ---: |
"""
    text += "".join(f"| {escaped(source)} | {escaped(licence)} | {n} |\n" for source, licence, n in last["sources"])
    return text + "".join(section(number, run) for number, run in enumerate(runs, 1))


def section(number: int, run: dict[str, Any]) -> str:
    """Return what the card says of a run."""
    before = accumulate(run["periods"], initial=0)  # iterations before each period: those that were begun count
    periods = ", ".join(f"{n:,}" for n, done in zip(run["periods"], before, strict=False) if done < run["iterations"])
    return f"""
## Run {number}

- start: {escaped(run["start"])}
- learning rate: {run["learning_rate"]:g}, cosine periods of {periods} iterations down to {run["eta_min"]:g}
- batch: {run["batch"]} LR patches of {run["patch"]}x{run["patch"]}
- done: {run["iterations"]:,} iterations on {run["device"]}

```bash
{run["command"]}
```
"""


def cell(psnr: float | None, ssim: float | None) -> str:
    """Return a cell of the table of scores; None stands for a score that was not measured."""
    return "-" if psnr is None else f"{psnr:.2f}" if ssim is None else f"{psnr:.2f} / {ssim:.4f}"
