"""Train SSIU for a stint of minutes, in one command or several, and ship the weights where they are better.

The first command prepares the data, measures how fast the recipe is, predicts, and trains. The same command once more
goes on, up to --segments of them. The last one compares what came of it with the weights shipped so far, on the
validation photos, and replaces those, with training curves and a model card, only if the new ones are better.
"""

import argparse
import sys
from pathlib import Path

from ssiu_arch.data.script import cores, parser, positive, run
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.extras import require
from ssiu_arch.weights.shipped import FOLDER

EXAMPLE = """python benchmarks/train_weights -opt options/shipped/train_SSIU_x4.yml --photos photos \\
      --validation SunHays80/HR --benchmarks datasets/benchmark --minutes 9 --segments 3"""


def above_zero(text: str) -> float:
    """An argument above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0")
    return value


def main() -> None:
    """Parse the command line, see that what it names is there, run a segment."""
    arguments = parser(__doc__, EXAMPLE)
    arguments.add_argument("-opt", type=Path, required=True, help="option file of the recipe")
    arguments.add_argument("--photos", type=Path, required=True, help="folder of photos to train on")
    arguments.add_argument("--sources", type=Path, help="CSV of their sources: columns file, source, licence")
    arguments.add_argument("--validation", type=Path, required=True, help="folder of HR photos that decide")
    arguments.add_argument("--benchmarks", type=Path, help="folder of Set5, Set14, ..., measured at the end")
    arguments.add_argument("--minutes", type=above_zero, required=True, help="that a command may take")
    arguments.add_argument("--segments", type=positive, default=1, help="commands of the stint")
    arguments.add_argument("--ship", type=Path, default=FOLDER, help="folder of shipped weights")
    arguments.add_argument("--scratch", action="store_true", help="do not start from the weights shipped so far")
    arguments.add_argument("--its", type=above_zero, help="iterations per second, instead of a trial")
    arguments.add_argument("--trial", type=positive, default=200, help="iterations of the trial, at least 4")
    arguments.add_argument("--jobs", type=positive, default=cores(), help="images prepared at once")
    arguments.add_argument("--force_yml", nargs="+", default=[], metavar="KEY:KEY=VALUE", help="options to replace")
    given = arguments.parse_args()
    if given.trial < 4:
        raise UserError(f"--trial {given.trial}: must be at least 4")
    for option in ("photos", "validation", "benchmarks"):
        folder = getattr(given, option)
        if folder is not None and not folder.is_dir():
            raise UserError(f"--{option} {folder}: there is no such folder")
    require("matplotlib", "plot", "the plot of the training")

    from benchmarks.train_weights.card import command
    from benchmarks.train_weights.run import Request, segment

    segment(
        Request(
            options=given.opt,
            photos=given.photos,
            sources=given.sources,
            validation=given.validation,
            minutes=given.minutes,
            segments=given.segments,
            benchmarks=given.benchmarks,
            folder=given.ship,
            scratch=given.scratch,
            rate=given.its,
            trial=given.trial,
            jobs=given.jobs,
            changes=given.force_yml,
            command=command(["benchmarks/train_weights", *sys.argv[1:]]),
        )
    )


if __name__ == "__main__":
    run(main)
