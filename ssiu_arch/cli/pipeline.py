"""What training and testing share: BasicSR's options, the plugins, the checks, then BasicSR's own pipeline."""

import argparse
import os
import sys
from importlib import import_module

from ssiu_arch.cli import which_basicsr
from ssiu_arch.plugins import load_plugins
from ssiu_arch.utils.errors import UserError


def parser(verb: str, what: str) -> argparse.ArgumentParser:
    """A parser of the options that BasicSR's ``train.py`` and ``test.py`` have."""
    example = f"example: basicsr {verb} -opt options/demo/{verb}_SSIU_x4.yml"
    parser = argparse.ArgumentParser(prog=f"basicsr {verb}", description=what, epilog=example, allow_abbrev=False)
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm"], default="none", help="how processes start")
    parser.add_argument("--auto_resume", action="store_true", help="go on from the newest state of experiments/NAME")
    parser.add_argument("--debug", action="store_true", help="log every iteration, save and validate every 8th")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--force_yml", nargs="+", metavar="KEY:KEY=VALUE", help="options that replace the file's")
    return parser


def check_launcher(launcher: str) -> None:
    """Raise ``UserError`` where nobody has started processes for ``--launcher``."""
    started = {
        "pytorch": ("RANK", "torchrun --no-python --nproc_per_node=2 basicsr ..."),
        "slurm": ("SLURM_PROCID", "srun"),
    }
    if launcher in started and started[launcher][0] not in os.environ:
        variable, command = started[launcher]
        raise UserError(f"--launcher {launcher}: {variable} is not set in the environment; start it by {command}")


def run(verb: str, what: str, arguments: list[str]) -> None:
    """Check the run, then hand it to BasicSR's ``train_pipeline`` or ``test_pipeline``, rooted in the current folder.

    Raises:
        UserError: something is wrong with the options or what they name; nothing has been written then.
    """
    args = parser(verb, what).parse_args(arguments)
    check_launcher(args.launcher)
    is_first = int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", 0))) == 0  # of the processes of a run
    several = which_basicsr.warning()
    if several and is_first:
        print(f"basicsr {verb}: {several}", file=sys.stderr)
    load_plugins()

    from ssiu_arch.checks import check_run, options

    opt = check_run(args.opt, verb == "train", args.force_yml)
    for line in options.unknown(opt) if is_first else ():
        print(f"basicsr {verb}: {line}", file=sys.stderr)
    sys.argv = [f"basicsr {verb}", *arguments]  # BasicSR parses it again, and writes it into the copied option file

    from ssiu_arch.evaluation import summary
    from ssiu_arch.evaluation.watch import watched

    module = import_module(f"basicsr.{verb}")
    with watched(module, is_test=verb == "test") as watch:
        getattr(module, f"{verb}_pipeline")(os.getcwd())
    summary.report(watch.opt, watch.sets)
