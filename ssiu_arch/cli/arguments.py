"""Command-line arguments that the verbs of ``ssiu`` share, and checks of output files."""

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def check_outputs(
    named: Mapping[str, Path | None],
    *,
    suffixes: Mapping[str, Iterable[str]] | None = None,
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
) -> None:
    """Fail early if an output cannot be written or would overwrite a file.

    Args:
        named: options that name an output file, each with its file, or None if not given.
        suffixes: that the file of an option may have; any if not listed.
        inputs: files that are read, and never overwritten.
        overwrite: whether other existing files may be overwritten.

    Raises:
        UserError: an output cannot or must not be written.
    """
    files = {option: path for option, path in named.items() if path is not None}
    read = [path.resolve() for path in inputs]
    for option, path in files.items():
        with writing(path):
            _check_file(option, path, tuple((suffixes or {}).get(option, ())))
            if [other.resolve() for other in files.values()].count(path.resolve()) > 1:
                raise UserError(f"{option} {path}: two outputs have this name; choose another")
            if path.resolve() in read:
                raise UserError(f"{option} {path}: is an input file; choose another name")
            if path.exists() and not overwrite:
                raise UserError(f"{option} {path}: exists; choose another name, or add --overwrite")
            with TemporaryFile(dir=path.parent):  # permissions alone do not tell whether this works
                pass


def _check_file(option: str, path: Path, endings: tuple[str, ...]) -> None:
    if path.is_dir():
        raise UserError(f"{option} {path}: is a folder; name a file")
    if endings and path.suffix.lower() not in endings:
        raise UserError(f"{option} {path}: the name must end with {', '.join(endings)}")
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: no such folder {path.parent}; create it first")
