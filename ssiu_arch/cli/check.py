"""``basicsr check``: a dry run that finds within seconds what would fail after hours."""

import argparse

from ssiu_arch.cli.arguments import Parser
from ssiu_arch.cli.pipeline import add_force_yml
from ssiu_arch.plugins import load_plugins
from ssiu_arch.utils.errors import UserError

EXAMPLE = "example: basicsr check -opt options/demo/train_SSIU_x4.yml"


def run(arguments: list[str]) -> None:
    """Print one line for each check of an option file, its data and weights; ``UserError`` counts those that failed."""
    args = _parser().parse_args(arguments)
    load_plugins()

    from ssiu_arch.checks.dry_run import findings

    levels = []
    for finding in findings(args.opt, args.force_yml, args.strict, 1 if args.launcher else None):
        print(finding, flush=True)
        levels.append(finding.level)
    if "error" in levels:
        raise UserError(
            f"{args.opt}: {levels.count('error')} of {len(levels)} checks failed, see the lines marked error"
        )


def _parser() -> argparse.ArgumentParser:
    what = "Check an option file, its data and weights, one training iteration and one validation step. Writes nothing."
    parser = Parser(prog="basicsr check", description=what, epilog=EXAMPLE, allow_abbrev=False)
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML) of a training or a test")
    parser.add_argument("--strict", action="store_true", help="treat unknown options as errors, not warnings")
    parser.add_argument("--launcher", choices=["pytorch", "slurm"], help="who will start several processes")
    add_force_yml(parser)
    return parser
