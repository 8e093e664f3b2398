"""What BasicSR logged in a training: losses and scores by iteration."""

import re
from dataclasses import dataclass, field
from pathlib import Path

ITERATION = re.compile(r"iter: *([\d,]+), lr:\(.* time \(data\): ([\d.]+) .*\] (l_\w+: .*)")
LOSS = re.compile(r"(l_\w+): (\S+)")
PSNR = re.compile(r"# psnr: ([\d.]+)\s+Best: ")


@dataclass
class Row:
    """An iteration that was logged.

    Attributes:
        iteration: its number, from 1.
        seconds: it took, as BasicSR averages.
        losses: by name.
        psnr: of its validation in dB, where there was one.
    """

    iteration: int
    seconds: float
    losses: dict[str, float] = field(default_factory=dict)
    psnr: float | None = None


def read_logs(folder: Path) -> list[Row]:
    """The rows of a run, from all log files in its folder; what was trained again after a kill counts once.

    A score belongs to the iteration logged last before it: the options of a stint see to it that they are the same.
    """
    rows: dict[int, Row] = {}
    for file in sorted(folder.glob("train_*.log")):
        row = None
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if found := ITERATION.search(line):
                iteration = int(found[1].replace(",", ""))
                row = Row(iteration, float(found[2]), {name: float(value) for name, value in LOSS.findall(found[3])})
                rows[iteration] = row
            elif row and (found := PSNR.search(line)):
                row.psnr = float(found[1])
    return [rows[iteration] for iteration in sorted(rows)]
