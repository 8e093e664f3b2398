"""``--force_yml`` takes negative and exponent numbers for text, no value with ``=`` in it, no new keys, no seed.

Here the entries are taken off the command line, read as YAML and applied to the file before BasicSR sees it.
"""

from functools import partial
from typing import Any

import yaml

from ssiu_arch.patches import option_parsing
from ssiu_arch.patches.option_parsing import Change
from ssiu_arch.patches.patch import Repair
from ssiu_arch.utils.errors import UserError


def take_force_yml(argv: list[str]) -> tuple[list[str], list[Change]]:
    """Take ``--force_yml A B ...`` off a command line: what is left of it, and the changes.

    Raises:
        UserError: an entry has no ``=``.
    """
    rest, entries = split_force_yml(argv)
    return rest, [partial(override, entry=entry) for entry in map(parse_entry, entries)]


def split_force_yml(argv: list[str]) -> tuple[list[str], list[str]]:
    """Separate ``--force_yml A B ...`` from a command line: what is left of it, and the entries."""
    argv = [part for word in argv for part in (word.split("=", 1) if word.startswith("--force_yml=") else [word])]
    if "--force_yml" not in argv:
        return argv, []
    start = argv.index("--force_yml")
    end = next((i for i in range(start + 1, len(argv)) if argv[i].startswith("-")), len(argv))
    rest, more = split_force_yml(argv[:start] + argv[end:])
    return rest, argv[start + 1 : end] + more


def parse_entry(entry: str) -> tuple[list[str], Any]:
    """Read ``key:key:...=value``: the keys from the root down, and the value, YAML or ``none``.

    Raises:
        UserError: there is no ``=``.
    """
    from basicsr.utils.options import ordered_yaml

    keys, equals, text = entry.partition("=")
    if not equals:
        raise UserError(f"--force_yml {entry!r} has no '=': write train:ema_decay=0.999")
    text = text.strip()
    try:
        value = None if text.lower() == "none" else yaml.load(text.replace("!!float", "!!float "), ordered_yaml()[0])
    except yaml.YAMLError:
        value = text
    return [key.strip() for key in keys.split(":")], value


def override(opt: dict[str, Any], entry: tuple[list[str], Any]) -> None:
    """Set one option in place; keys that are missing are made.

    Raises:
        UserError: a key lies below something that has no keys.
    """
    keys, value = entry
    node = opt
    for depth, key in enumerate(keys[:-1], 1):
        if node.get(key) is None:
            node[key] = {}
        node = node[key]
        if not isinstance(node, dict):
            above = ":".join(keys[:depth])
            raise UserError(f"--force_yml {':'.join(keys)}={value}: {above} is {node!r} and has no keys")
    node[keys[-1]] = value


def _is_needed() -> bool:
    from basicsr.utils import options

    old = getattr(options, "_postprocess_yml_value", str)("-1") == "-1"
    return old and take_force_yml not in option_parsing.on_command_line


def _apply() -> None:
    option_parsing.on_command_line.append(take_force_yml)
    option_parsing.wrap()


REPAIR = Repair(
    defect="`--force_yml train:warmup_iter=-1` sets text, `k=a=b` and new keys end in a traceback",
    upstream="basicsr/utils/options.py:59 and 117",
    until="BasicSR reads the value as YAML",
    is_needed=_is_needed,
    apply=_apply,
)
