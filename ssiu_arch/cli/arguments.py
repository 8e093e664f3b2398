"""Command-line arguments that the verbs of ``ssiu`` share, and checks of output files."""

import argparse
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import writing

LARGEST = 2**14  # pixels a side of an LR image
LAUNCHERS = {  # the command of each, and the variables that it sets: rank, number of processes, and more
    "pytorch": ("torchrun", ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")),
    "slurm": ("srun", ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST")),
}


class Parser(argparse.ArgumentParser):
    """argparse's parser, with errors in one line and without the usage before them."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def whole(least: int, most: int = 10**6) -> Callable[[str], int]:
    """An argument type: whole numbers from ``least`` to ``most``."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return value

    return parse


def image_size(text: str) -> tuple[int, int]:
    """An argument type: height and width of an LR image, such as ``180x320``."""
    found = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text)
    if not found or max(map(int, found.groups())) > LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, each 1 to {LARGEST}, such as 180x320")
    return int(found[1]), int(found[2])


def check_labels(labels: Sequence[str], remedy: str) -> None:
    """Raise ``UserError`` for a label that a picture's font lacks (all but ASCII), or that is given twice.

    ``remedy`` ends the message.
    """
    for label in labels:
        if not (label.isascii() and label.isprintable() and label.strip()):
            raise UserError(f"the label {label!r} must be printable ASCII, for the picture: {remedy}")
        if labels.count(label) > 1:
            raise UserError(f"the label {label} is given twice: {remedy}")


def check_output(
    path: Path, *endings: str, option: str = "-o", others: Iterable[Path] = (), overwrite: bool = False
) -> None:
    """Raise ``UserError`` if the file of ``option`` cannot be written or would overwrite a file, before any work.

    Its name must have one of ``endings``, if there are any. ``others`` are files that the same run reads or writes:
    they are never overwritten, and all others only with ``overwrite``.
    """
    with writing(path):
        if path.is_dir():
            raise UserError(f"{option} {path}: is a folder; name a file")
        if endings and path.suffix.lower() not in endings:
            raise UserError(f"{option} {path}: the name must end with {', '.join(endings)}")
        if not path.parent.is_dir():
            raise UserError(f"{option} {path}: no such folder {path.parent}; create it first")
        if path.resolve() in [other.resolve() for other in others]:
            raise UserError(f"{option} {path}: is another file of this run; choose another name")
        if path.exists() and not overwrite:
            raise UserError(f"{option} {path}: exists; choose another name, or add --overwrite")
        with TemporaryFile(dir=path.parent):  # permissions alone do not tell whether this works
            pass


def place(launcher: str) -> tuple[int, int | None]:
    """Rank and number of processes, from the environment, where ``UserError`` names what is wrong; else 0 and None."""
    if launcher not in LAUNCHERS:
        return 0, None
    command, names = LAUNCHERS[launcher]
    for name in names:
        value = os.environ.get(name, "")
        if not value or not (value.isdecimal() or name in ("MASTER_ADDR", "SLURM_NODELIST")):
            said = f"is {value!r}, no number" if value else "is not set"
            raise UserError(f"{name} {said}, in the environment: start the processes with {command}")
    rank, processes = (int(os.environ[name]) for name in names[:2])
    if rank >= processes:
        raise UserError(f"{names[0]} ({rank}) must be below {names[1]} ({processes}) in the environment: use {command}")
    if launcher == "pytorch" and int(port := os.environ["MASTER_PORT"]) > 65535:
        raise UserError(f"MASTER_PORT ({port}) must be at most 65535 in the environment: use {command}")
    return rank, processes
