"""``basicsr VERB ...``: BasicSR ships no command, so this package does, for its own networks and everybody else's.

This module is imported by the console script, and again by every worker that a distributed run spawns; importing
``ssiu_arch`` here puts the repairs in force in all of them. BasicSR itself is imported when a verb needs it.
"""

import sys
from importlib import import_module

from ssiu_arch.errors import UserError, in_one_line

VERBS = {
    "train": "train a network from an option file",
    "test": "test a network from an option file",
    "check": "find what would fail, in seconds, without writing anything",
    "doctor": "versions, plugins, repairs and known conflicts of this installation",
}

USAGE = """usage: basicsr VERB -opt FILE [options]

{verbs}

basicsr VERB --help   the options of a verb
Outputs go below the current folder: experiments/NAME and tb_logger/NAME, results/NAME.
Example: basicsr train -opt options/demo/train_SSIU_x4.yml
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one verb. Exit codes: 0 done, 2 bad input (one line says what), 130 interrupted."""
    verb, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if verb in ("-h", "--help"):
        print(USAGE.format(verbs="\n".join(f"  {name:8}{what}" for name, what in VERBS.items())), end="")
        return 0
    if verb not in VERBS:
        print(f"basicsr: no verb {verb!r}: use {', '.join(VERBS)}", file=sys.stderr)
        return 2
    try:
        import_module(f"ssiu_arch.commands.{verb}").run(rest)
    except UserError as error:
        print(f"basicsr {verb}: {in_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"basicsr {verb}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
