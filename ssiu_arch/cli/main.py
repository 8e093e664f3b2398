"""The two commands: ``basicsr VERB ...`` trains and tests, ``ssiu VERB ...`` uses and studies a trained network.

BasicSR itself ships no command; ``basicsr`` here serves all of its networks. A verb is the module of its name in this
package, imported when it is used. BasicSR is imported when a verb needs it.
"""

import os
import sys
from dataclasses import dataclass
from importlib import import_module

from ssiu_arch.cli import which_basicsr
from ssiu_arch.registration import apply_training_patches
from ssiu_arch.utils.ending import ended
from ssiu_arch.utils.errors import UserError, printable
from ssiu_arch.utils.version import __version__


@dataclass(frozen=True)
class Command:
    """A console script: its name, its verbs with what each does, and the lines that end its help."""

    name: str
    verbs: dict[str, str]
    notes: str

    def usage(self) -> str:
        """The help text."""
        width = max(map(len, self.verbs)) + 2
        verbs = "\n".join(f"  {name:{width}}{what}" for name, what in self.verbs.items())
        options = f"{self.name} VERB --help   options of a verb\n{self.name} --version     version"
        return f"usage: {self.name} VERB [options]\n\n{verbs}\n\n{options}\n\n{self.notes}\n"


BASICSR = Command(
    "basicsr",
    {
        "install": "install BasicSR 1.4.2 if it is missing",
        "check": "check an option file, its data and weights in seconds; writes nothing",
        "train": "train a network from an option file",
        "test": "test a network from an option file",
        "doctor": "print versions, plugins, patches and known conflicts of this installation",
    },
    "Results go to the current folder: experiments/NAME and tb_logger/NAME (train), results/NAME (test).\n"
    "Example: basicsr train -opt options/demo/train_SSIU_x4.yml",
)
SSIU = Command(
    "ssiu",
    {
        "upscale": "enlarge image files and folders",
        "convert": "convert weights between formats; --info describes a file",
        "export": "write a network as ONNX and compare it with torch",
        "compare": "put crops of several results with their scores into one picture",
        "lam": "draw local attribution maps: which input pixels a result depends on",
        "profile": "measure parameters, multiply-adds, latency and memory of networks",
        "web": "serve a page that enlarges images, for the browser of this machine",
    },
    "To train and test, use the command basicsr.\nExample: ssiu upscale photos -o enlarged",
)


def dispatch(command: Command, arguments: list[str]) -> int:
    """Run one verb; for its exit codes see ``ended``."""
    verb, *rest = arguments or ["--help"]
    return ended(f"{command.name} {printable(verb)}", lambda: _run(command, verb, rest), given=rest)


def _run(command: Command, verb: str, arguments: list[str]) -> int:
    if verb in ("-h", "--help"):
        print(command.usage(), end="")
        return 0
    if verb == "--version":
        print(f"ssiu_arch {__version__}{f', {which_basicsr.version()}' if command is BASICSR else ''}")
        return 0
    if verb not in command.verbs:
        raise UserError(f"there is no verb {verb!r}; use {', '.join(command.verbs)}")
    return import_module(f"ssiu_arch.cli.{verb}").run(arguments) or 0


def _given(arguments: list[str] | None) -> list[str]:
    """``arguments``, or those of the command line, which is started anew in UTF-8 mode if the locale is not UTF-8.

    BasicSR opens option files, logs and meta_info files without naming an encoding, and the names of folders have the
    locale's.
    """
    if arguments is not None:
        return arguments
    if sys.getfilesystemencoding() != "utf-8" and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    return sys.argv[1:]


def main(arguments: list[str] | None = None) -> int:
    """``basicsr``, which changes how BasicSR trains (``ssiu_arch.patches``); see ``dispatch``."""
    given = _given(arguments)
    apply_training_patches()
    return dispatch(BASICSR, given)


def ssiu(arguments: list[str] | None = None) -> int:
    """``ssiu``; see ``dispatch``."""
    return dispatch(SSIU, _given(arguments))


if __name__ == "__main__":
    sys.exit(main())
