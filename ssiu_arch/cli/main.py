"""The two commands: ``basicsr VERB ...`` for trainings and tests, which BasicSR ships none for, and ``ssiu VERB ...``.

``basicsr`` serves BasicSR's own networks and everybody else's; ``ssiu`` does what is done with a network beside that. A
verb is the module of its name in this package.

This module is imported by the console scripts, and again by every worker that a distributed run spawns; importing
``ssiu_arch`` here puts the repairs in force in all of them. BasicSR itself is imported when a verb needs it.
"""

import os
import select
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TextIO

from ssiu_arch.utils.errors import UserError, in_one_line


@dataclass(frozen=True)
class Command:
    """A console script.

    Attributes:
        name: what is typed.
        verbs: each with what it does.
        arguments: what follows the verb.
        notes: lines that end the help.
    """

    name: str
    verbs: dict[str, str]
    arguments: str
    notes: str

    def usage(self) -> str:
        """The help."""
        width = max(map(len, self.verbs)) + 2
        verbs = "\n".join(f"  {name:{width}}{what}" for name, what in self.verbs.items())
        head = f"usage: {self.name} VERB {self.arguments}\n\n{verbs}\n\n{self.name} VERB --help"
        return f"{head}   the options of a verb\n{self.notes}\n"


VERBS = {
    "train": "train a network from an option file",
    "test": "test a network from an option file",
    "check": "find what would fail, in seconds, without writing anything",
    "doctor": "versions, plugins, repairs and known conflicts of this installation",
}
BASICSR = Command(
    "basicsr",
    VERBS,
    "-opt FILE [options]",
    "Outputs go below the current folder: experiments/NAME and tb_logger/NAME, results/NAME.\n"
    "Example: basicsr train -opt options/demo/train_SSIU_x4.yml",
)
SSIU = Command(
    "ssiu",
    {
        "upscale": "enlarge image files and folders of them",
        "convert": "translate weights between formats; --info says what a file holds",
        "export": "write a network as ONNX, checked against torch",
        "compare": "crops of results side by side in one picture, with their scores",
        "lam": "local attribution maps: which pixels of an image a result depends on",
        "profile": "what networks cost: parameters, multiply-adds, latency, memory",
    },
    "[options]",
    "Training and testing are verbs of the command basicsr.\nExample: ssiu upscale photos -o enlarged --weights x4.pth",
)


def dispatch(command: Command, arguments: list[str]) -> int:
    """Run one verb.

    Exit codes: 0 done, 1 done in part, 2 bad input (one line says what), 130 interrupted, 141 nobody reads on.
    """
    verb, *rest = arguments or ["--help"]
    if verb in ("-h", "--help"):
        print(command.usage(), end="")
        return 0
    if verb not in command.verbs:
        print(f"{command.name}: no verb {verb!r}: use {', '.join(command.verbs)}", file=sys.stderr)
        return 2
    try:
        code = import_module(f"ssiu_arch.cli.{verb}").run(rest) or 0
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"{command.name} {verb}: {in_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{command.name} {verb}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        if _has_no_reader(sys.stdout):
            return 141  # as the shell has it for SIGPIPE
        raise  # it was another pipe


def _has_no_reader(stream: TextIO) -> bool:
    """Whether a stream is a pipe that nobody reads from any more; then what is left for it goes nowhere."""
    try:
        stream.flush()
    except BrokenPipeError:
        broken = True
    else:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        broken = bool(poll.poll(0))  # nothing else has been asked for
    if broken:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return broken


def main(arguments: list[str] | None = None) -> int:
    """``basicsr``; see ``dispatch``."""
    return dispatch(BASICSR, sys.argv[1:] if arguments is None else arguments)


def ssiu(arguments: list[str] | None = None) -> int:
    """``ssiu``; see ``dispatch``."""
    return dispatch(SSIU, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
