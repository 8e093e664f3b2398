"""Exit codes and common options of the scripts in ``datasets_prep/``."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ssiu_arch.utils.errors import UserError

ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "SILENT"}


class SetIncomplete(UserError):
    """Some images are bad and were named; the others are ready. Exit code 1."""


def run(main: Callable[[], None]) -> None:
    """Run a script and exit with 0; 1 after ``SetIncomplete``, 2 after any other ``UserError``, 130 after Ctrl-C.

    Call it before numpy and OpenCV are imported: it makes them use one thread each, since the scripts work on several
    images in parallel, and silences OpenCV's warnings.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        main()
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: {printable(str(error))}", file=sys.stderr)
        raise SystemExit(1 if isinstance(error, SetIncomplete) else 2) from None
    except KeyboardInterrupt:
        print("\nInterrupted. Finished parts are kept: run the same command again to resume.", file=sys.stderr)
        raise SystemExit(130) from None


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
    """``--jobs``, ``--force``, ``--skip-bad``."""
    arguments.add_argument("--jobs", type=positive, default=cores(), help="images processed in parallel")
    arguments.add_argument("--force", action="store_true", help="replace existing files")
    arguments.add_argument("--skip-bad", action="store_true", help="leave bad images out")


def add_recipe_options(arguments: argparse.ArgumentParser) -> None:
    """``--scales``, ``--size``, ``--step``, ``--smallest``."""
    arguments.add_argument("--scales", type=positive, nargs="+", default=[2, 3, 4], help="scales of the LR sets")
    arguments.add_argument("--size", type=positive, default=288, help="side of an HR sub-image in pixels")
    arguments.add_argument(
        "--step", type=positive, default=192, help="largest distance between sub-images in HR pixels"
    )
    arguments.add_argument(
        "--smallest",
        type=positive,
        help="shortest side of an HR image in pixels; smaller images are left out (default: 64 x the largest scale)",
    )


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(text)


def cores() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def printable(text: str) -> str:
    """``text`` as one line that the terminal can show, even if a file name is not valid Unicode."""
    encoding = sys.stderr.encoding or "utf-8"
    return text.replace("\n", "\\n").encode(encoding, "backslashreplace").decode(encoding)
