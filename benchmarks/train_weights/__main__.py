"""Train SSIU in the background, and ship the weights if they beat the shipped ones (Linux; docs/shipped_weights.md)."""

import argparse
import shlex
import sys
from pathlib import Path

from benchmarks.train_weights import process
from ssiu_arch.utils.ending import ended
from ssiu_arch.weights.shipped import FOLDER

VERBS = {
    "pairs": "write the validation pairs that the option file names, LR by MATLAB's bicubic",
    "start": "start the training, or resume it from its newest state; refused while it runs",
    "pause": "suspend the training (SIGSTOP); it keeps its memory",
    "resume": "let a paused training continue (SIGCONT)",
    "status": "print iteration, speed and the last validation",
    "ship": "replace the shipped weights, card, record and curves if the newest weights are better",
}
ORIGIN = """weights to start from, or 'scratch' (default: path.pretrain_network_g of the option file, else the shipped
            weights); ignored if there is a state to resume from"""


def parser() -> argparse.ArgumentParser:
    """Return the parser: a verb, ``-opt FILE``, and the options of the verb."""
    parser = argparse.ArgumentParser("python -m benchmarks.train_weights", description=__doc__, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verb = {name: verbs.add_parser(name, help=text, description=text) for name, text in VERBS.items()}
    for name, each in verb.items():
        each.add_argument("-opt", type=Path, required=True, metavar="FILE", help="option file of the training")
        if name in ("start", "ship"):
            each.add_argument("--folder", type=Path, default=FOLDER, help="shipped weights (default: the package's)")
    verb["pairs"].add_argument("photos", type=Path, help="folder of HR photos")
    verb["start"].add_argument("--from", dest="origin", metavar="FILE", help=ORIGIN)
    ship = verb["ship"].add_argument
    ship("--photos", type=Path, required=True, help="folder of the training photos, counted for the card")
    ship("--sources", type=Path, help="CSV of their sources and licences: columns file, source, licence")
    ship("--validation", type=Path, help="folder of HR photos that decides (default: datasets.val.dataroot_gt)")
    ship("--benchmarks", type=Path, help="folder whose sets, as Set5/HR, are all measured if the weights are better")
    ship("--note", default="", help="sentence for the card, such as the teacher whose output was the target")
    return parser


def run(given: argparse.Namespace) -> str:
    """Run a verb; return what it did, one line."""
    options = process.read_options(given.opt)
    if given.verb == "start":
        command = shlex.join(["python", "-m", "benchmarks.train_weights", *sys.argv[1:]])
        return process.start(options, given.opt, given.origin, given.folder, command)
    if given.verb in ("pause", "resume"):
        return process.pause(options["name"], given.verb == "pause")
    if given.verb == "status":
        return process.status(options)
    from benchmarks.train_weights import ship  # torch: seconds

    return ship.write_pairs(options, given.photos) if given.verb == "pairs" else ship.ship(options, given)


def main() -> int:
    """Run the command line; return the exit code."""
    given = parser().parse_args()
    return ended(f"train_weights {given.verb}", lambda: print(run(given)))


if __name__ == "__main__":
    sys.exit(main())
