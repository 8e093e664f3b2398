"""``basicsr check``: a dry run, which finds in seconds what would otherwise fail in hours."""

import argparse

from ssiu_arch.plugins import load_plugins
from ssiu_arch.utils.errors import UserError

EXAMPLE = "example: basicsr check -opt options/demo/train_SSIU_x4.yml"


def run(arguments: list[str]) -> None:
    """Print a line for every check of an option file and what it names.

    Raises:
        UserError: there were errors; the message counts them.
    """
    args = _parser().parse_args(arguments)
    load_plugins()

    from ssiu_arch.checks.thorough import findings

    levels = []
    for finding in findings(args.opt, False if args.test else None, args.force_yml or [], args.strict):
        print(finding, flush=True)
        levels.append(finding.level)
    if "error" in levels:
        raise UserError(f"{args.opt}: {levels.count('error')} of {len(levels)} checks found an error")


def _parser() -> argparse.ArgumentParser:
    what = "Check an option file, the data and weights it names, and one iteration, without writing anything."
    parser = argparse.ArgumentParser(prog="basicsr check", description=what, epilog=EXAMPLE)
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML) of a training or a test")
    parser.add_argument("--strict", action="store_true", help="options that nothing reads are errors, not warnings")
    parser.add_argument("--test", action="store_true", help="check it as a test though it has a train section")
    parser.add_argument("--force_yml", nargs="+", metavar="KEY:KEY=VALUE", help="options that replace the file's")
    return parser
