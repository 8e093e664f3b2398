"""Command-line arguments that the verbs of ``ssiu`` share, and checks of output files."""

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import writing

LARGEST = 2**14  # pixels a side of an LR image


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
    """Fail early if an output cannot be written or would overwrite a file.

    Args:
        path: the file that ``option`` names.
        endings: that its name may have; any if none is given.
        option: starts the message.
        others: files that the same run reads or writes; never overwritten.
        overwrite: whether other existing files may be overwritten.

    Raises:
        UserError: the output cannot or must not be written.
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
