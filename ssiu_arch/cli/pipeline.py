"""What training and testing share: options, plugins, checks, then BasicSR's own pipeline."""

import argparse
import os
import sys
from importlib import import_module

from ssiu_arch.cli import which_basicsr
from ssiu_arch.cli.arguments import LAUNCHERS, Parser, place
from ssiu_arch.plugins import load_plugins


def parser(verb: str) -> argparse.ArgumentParser:
    """A parser of the options that BasicSR's ``train.py`` and ``test.py`` have."""
    parser = Parser(
        prog=f"basicsr {verb}",
        description=f"{verb.capitalize()} a network from an option file, with BasicSR's {verb}_pipeline.",
        epilog=f"example: basicsr {verb} -opt options/demo/{verb}_SSIU_x4.yml",
        allow_abbrev=False,
    )
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
    parser.add_argument("--launcher", choices=["none", *LAUNCHERS], default="none", help="who starts several processes")
    parser.add_argument("--auto_resume", action="store_true", help="resume from the newest state in experiments/NAME")
    parser.add_argument("--debug", action="store_true", help="log every iteration, save and validate every 8th")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    add_force_yml(parser)
    return parser


def add_force_yml(parser: argparse.ArgumentParser) -> None:
    """Add ``--force_yml``; given several times, all count."""
    what = "options that override the file's"
    parser.add_argument("--force_yml", nargs="+", action="extend", default=[], metavar="KEY:KEY=VALUE", help=what)


def run(verb: str, arguments: list[str]) -> None:
    """Check the run, then call BasicSR's ``train_pipeline`` or ``test_pipeline`` in the current folder.

    Raises:
        UserError: an option, or a file that it names, is wrong; nothing has been written then.
    """
    args = parser(verb).parse_args(arguments)
    rank, processes = place(args.launcher)
    load_plugins()

    from ssiu_arch.checks import check_run, options

    def say(line: str | None) -> None:
        if line and rank == 0:
            print(f"basicsr {verb}: {line}", file=sys.stderr)

    keys = [entry.partition("=")[0] for entry in args.force_yml]
    for key in dict.fromkeys(key for key in keys if keys.count(key) > 1):
        say(f"--force_yml {key} is given {keys.count(key)} times: the last one counts")
    say(which_basicsr.warning())  # before the checks: an unknown name may be another basicsr's
    opt = check_run(args.opt, verb == "train", args.force_yml, processes)
    for line in options.unknown(opt):
        say(line)
    sys.argv = [f"basicsr {verb}", *arguments]  # BasicSR parses it, and writes it into its copy of the option file

    from ssiu_arch.evaluation import summary
    from ssiu_arch.evaluation.watch import watched

    module = import_module(f"basicsr.{verb}")
    with watched(module, is_test=verb == "test") as watch:
        getattr(module, f"{verb}_pipeline")(os.getcwd())
    summary.report(watch.opt, watch.sets)
