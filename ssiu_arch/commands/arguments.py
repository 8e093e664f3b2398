"""The parser of the verbs of ``ssiu``."""

import argparse
from collections.abc import Callable
from typing import NoReturn

from ssiu_arch.errors import UserError


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
