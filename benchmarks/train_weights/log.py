"""What BasicSR logged in a training: losses, speed and scores by iteration."""

import re
from dataclasses import dataclass, field
from pathlib import Path

ITERATION = re.compile(r"iter: *([\d,]+), lr:\(.* time \(data\): ([\d.]+) .*\] (l_\w+: .*)")
LOGGED = re.compile(r"(\w+): (\S+)")
PSNR = re.compile(r"# psnr: ([\d.]+)\s+Best: ")


@dataclass
class Row:
    """A logged iteration, from 1: seconds it took, logged values by name, PSNR in dB of the validation after it.

    The values are the losses; ``benchmarks/equal_work.py`` adds CPU seconds.
    """

    iteration: int
    seconds: float
    losses: dict[str, float] = field(default_factory=dict)
    psnr: float | None = None


def read_logs(folder: Path) -> list[Row]:
    """Return the rows of all log files in an experiment folder; an iteration repeated after a kill counts once.

    A score belongs to the last logged iteration before it: let ``val_freq`` be a multiple of ``print_freq``.
    """
    rows: dict[int, Row] = {}
    for file in sorted(folder.glob("train_*.log")):
        row = None
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if found := ITERATION.search(line):
                iteration = int(found[1].replace(",", ""))
                row = Row(iteration, float(found[2]), {name: float(value) for name, value in LOGGED.findall(found[3])})
                rows[iteration] = row
            elif row and (found := PSNR.search(line)):
                row.psnr = float(found[1])
    return [rows[iteration] for iteration in sorted(rows)]
