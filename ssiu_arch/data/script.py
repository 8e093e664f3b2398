"""What the scripts of ``datasets_prep/`` share: how they end, and their common options."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ssiu_arch.utils.errors import UserError

OURS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "SILENT"}
_set_by_us: set[str] = set()


class SetIncomplete(UserError):
    """Some images could not be used and were named; the others are ready. Exit code 1."""


def run(main: Callable[[], None]) -> None:
    """Run a script and leave with 0; 1 after ``SetIncomplete``, 2 after any other ``UserError``, 130 after Ctrl-C.

    Call it before numpy and OpenCV are imported: each image is one thread's work, so the libraries are
    told to start no threads of their own, and OpenCV to keep its warnings for itself.
    """
    _set_by_us.update(OURS.keys() - os.environ.keys())
    os.environ.update({name: OURS[name] for name in _set_by_us})
    try:
        main()
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: {printable(str(error))}", file=sys.stderr)
        raise SystemExit(1 if isinstance(error, SetIncomplete) else 2) from None
    except KeyboardInterrupt:
        print("\nInterrupted. What is done is kept: run the same command again to go on.", file=sys.stderr)
        raise SystemExit(130) from None


def users_environment() -> dict[str, str]:
    """The environment as the user gave it, for another process: without the variables that ``run`` set."""
    return {name: value for name, value in os.environ.items() if name not in _set_by_us}


def parser(description: str | None, example: str) -> argparse.ArgumentParser:
    """An argument parser that shows ``example`` as it stands and gives the defaults."""

    return argparse.ArgumentParser(
        description=description, epilog=f"Example:\n  {example}", formatter_class=_Formatter, allow_abbrev=False
    )


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults where there is one to show."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def add_preparation_options(arguments: argparse.ArgumentParser) -> None:
    """``--jobs``, ``--force``, ``--skip-bad``, ``--dry-run``."""
    arguments.add_argument("--jobs", type=positive, default=cores(), help="images worked on at once")
    arguments.add_argument("--force", action="store_true", help="replace what is there")
    arguments.add_argument("--skip-bad", action="store_true", help="finish the set without the images that are bad")
    arguments.add_argument(
        "--dry-run", action="store_true", help="say what would be written, and how large; write nothing"
    )


def add_recipe_options(arguments: argparse.ArgumentParser) -> None:
    """``--scales``, ``--size``, ``--step``, ``--smallest``."""
    arguments.add_argument("--scales", type=positive, nargs="+", default=[2, 3, 4], help="LR sets to make")
    arguments.add_argument("--size", type=positive, default=288, help="side of an HR sub-image")
    arguments.add_argument("--step", type=positive, default=192, help="from one sub-image to the next, at most")
    arguments.add_argument(
        "--smallest", type=positive, help="leave out images with a side below this (default: 64 x the largest scale)"
    )


def positive(text: str) -> int:
    """An argument of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 on")
    return int(text)


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def printable(text: str) -> str:
    """``text`` as one line that the terminal can show, also where a file name is no valid Unicode."""
    encoding = sys.stderr.encoding or "utf-8"
    return text.replace("\n", "\\n").encode(encoding, "backslashreplace").decode(encoding)
