"""Exit codes and common options of the scripts in ``datasets_prep/``."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssiu_arch.utils.ending import ended
from ssiu_arch.utils.errors import UserError, printable

ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "SILENT"}


class SetIncomplete(UserError):
    """Some images are bad and were named; the others are ready."""

    exit_code = 1


def run(main: Callable[[], None]) -> None:
    """Run a script and exit; for the exit codes see ``ended``.

    Call it before numpy and OpenCV are imported: it makes them use one thread each, since the scripts work on several
    images in parallel, and silences OpenCV's warnings.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    stopped = "interrupted; finished parts are kept: run the same command again to resume"
    if code := ended(Path(sys.argv[0]).name, main, stopped, sys.argv[1:]):
        raise SystemExit(code)


def parser(description: str | None, example: str) -> argparse.ArgumentParser:
    """An argument parser whose help shows ``example`` and the defaults."""
    return argparse.ArgumentParser(
        description=description, epilog=f"Example:\n  {example}", formatter_class=_Formatter, allow_abbrev=False
    )


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults other than None and False."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def add_preparation_options(arguments: argparse.ArgumentParser) -> None:
    """Everything that ``preparation`` reads."""
    add = arguments.add_argument
    add("--root", type=Path, default=Path("datasets"), help="folder of the data sets")
    add("--scales", type=positive, nargs="+", default=[2, 3, 4], help="scales of the LR sets")
    add("--size", type=positive, default=288, help="side of an HR sub-image in pixels")
    add("--step", type=positive, default=192, help="largest distance between sub-images in HR pixels")
    smallest = "shortest side of an HR image in pixels; smaller images are left out (default: 64 x the largest scale)"
    add("--smallest", type=positive, help=smallest)
    add("--jobs", type=positive, default=cores(), help="images processed in parallel")
    add("--force", action="store_true", help="replace existing files")
    add("--skip-bad", action="store_true", help="leave bad images out")


def preparation(given: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments ``recipe``, ``jobs``, ``force`` and ``skip_bad`` of what prepares a set of sub-images."""
    from ssiu_arch.data.sub_images import LR_PATCH, Recipe

    smallest = given.smallest or LR_PATCH * max(given.scales)
    recipe = Recipe(tuple(given.scales), given.size, given.step, smallest)
    return {"recipe": recipe, "jobs": given.jobs, "force": given.force, "skip_bad": given.skip_bad}


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(text)


def cores() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def say(text: str) -> None:
    """Print ``text`` to stdout at once."""
    print(*map(printable, text.split("\n")), sep="\n", flush=True)
