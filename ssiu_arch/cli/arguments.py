"""What the verbs of ``ssiu`` have in common: their parser, kinds of arguments, what may be written."""

import argparse
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import writing

LARGEST = 2**14  # pixels of a side of an LR image


class Parser(argparse.ArgumentParser):
    """argparse's, but what is wrong is one line, as everywhere here, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def whole(least: int, most: int = 10**6) -> Callable[[str], int]:
    """A type of arguments: whole numbers from ``least`` to ``most``."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return value

    return parse


def image_size(text: str) -> tuple[int, int]:
    """A type of arguments: height and width of an LR image, written as ``180x320``."""
    found = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text)
    if not found or max(map(int, found.groups())) > LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write height x width from 1 to {LARGEST}, as 180x320")
    return int(found[1]), int(found[2])


def check_outputs(
    named: Mapping[str, Path | None],
    *,
    suffixes: Mapping[str, Iterable[str]] | None = None,
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
) -> None:
    """See that what is written at the end can be, before the work, and replaces nothing that is not to be replaced.

    Args:
        named: the options that name a file to write, each with its file, or None where it is not given.
        suffixes: of the file of an option, where they matter.
        inputs: files that are read, which are never replaced.
        overwrite: whether files that are there may be.

    Raises:
        UserError: one of them cannot be written, or may not.
    """
    files = {option: path for option, path in named.items() if path is not None}
    read = [path.resolve() for path in inputs]
    for option, path in files.items():
        with writing(path):
            _check_file(option, path, tuple((suffixes or {}).get(option, ())))
            if [other.resolve() for other in files.values()].count(path.resolve()) > 1:
                raise UserError(f"{option} {path}: two outputs have this name")
            if path.resolve() in read:
                raise UserError(f"{option} {path}: is what is read; choose another name")
            if path.exists() and not overwrite:
                raise UserError(f"{option} {path}: is there already; choose another name, or add --overwrite")
            with TemporaryFile(dir=path.parent):  # as it will be written: permissions alone do not tell
                pass


def _check_file(option: str, path: Path, endings: tuple[str, ...]) -> None:
    if path.is_dir():
        raise UserError(f"{option} {path}: is a folder: name a file")
    if endings and path.suffix.lower() not in endings:
        raise UserError(f"{option} {path}: the name must end with {', '.join(endings)}")
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: there is no folder {path.parent}")
