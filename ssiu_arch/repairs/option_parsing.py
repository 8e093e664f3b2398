"""The one place where BasicSR's ``parse_options`` is wrapped, for the repairs that change options."""

import sys
from collections.abc import Callable
from typing import Any

import yaml

from ssiu_arch.errors import UserError
from ssiu_arch.repairs.repair import is_ours, replace_everywhere

Options = dict[str, Any]
Override = tuple[list[str], Any]  # the keys from the root down, the value

when_read: list[Callable[[Options], None]] = []  # called with the options as the file has them
when_parsed: list[Callable[[Options], None]] = []  # called with what BasicSR made of them


def wrap() -> None:
    """Make ``parse_options`` call ``when_read`` and ``when_parsed``. Safe to call again."""
    from basicsr.utils import options

    upstream = options.parse_options
    if is_ours(upstream):
        return

    def parse_options(root_path: str, is_train: bool = True) -> Any:
        """BasicSR's ``parse_options``, with the repairs of ``ssiu_arch.repairs``."""
        ordered_yaml, argv = options.ordered_yaml, sys.argv
        sys.argv, entries = split_force_yml(argv)
        loader, dumper = ordered_yaml()
        options.ordered_yaml = _changing_yaml(loader, dumper, [parse_entry(entry) for entry in entries])
        try:
            opt, args = upstream(root_path, is_train)
        finally:
            options.ordered_yaml, sys.argv = ordered_yaml, argv
        for change in when_parsed:
            change(opt)
        return opt, args

    replace_everywhere(upstream, parse_options)


def _changing_yaml(loader: Any, dumper: Any, overrides: list[Override]) -> Callable[[], tuple[Any, Any]]:
    class Changing(loader):
        """A YAML loader whose document has been through ``--force_yml`` and ``when_read``."""

        def get_single_data(self) -> Any:
            opt = super().get_single_data()
            return changed_when_read(opt, overrides) if isinstance(opt, dict) else opt

    return lambda: (Changing, dumper)


def changed_when_read(opt: Options, overrides: list[Override]) -> Options:
    """The options of a file after ``--force_yml`` and the repairs, as BasicSR is going to see them."""
    for keys, value in overrides:
        override(opt, keys, value)
    for change in when_read:
        change(opt)
    return opt


def split_force_yml(argv: list[str]) -> tuple[list[str], list[str]]:
    """Separate ``--force_yml A B ...`` from a command line: what is left of it, and the entries."""
    if "--force_yml" not in argv:
        return argv, []
    start = argv.index("--force_yml")
    end = next((i for i in range(start + 1, len(argv)) if argv[i].startswith("-")), len(argv))
    rest, more = split_force_yml(argv[:start] + argv[end:])
    return rest, argv[start + 1 : end] + more


def parse_entry(entry: str) -> Override:
    """Read ``key:key:...=value``; what follows the first ``=`` is YAML, or None for ``none``.

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


def override(opt: Options, keys: list[str], value: Any) -> None:
    """Set one option in place; keys that are missing are made.

    Raises:
        UserError: a key lies below something that has no keys.
    """
    node = opt
    for depth, key in enumerate(keys[:-1], 1):
        if node.get(key) is None:
            node[key] = {}
        node = node[key]
        if not isinstance(node, dict):
            above = ":".join(keys[:depth])
            raise UserError(f"--force_yml {':'.join(keys)}={value}: {above} is {node!r} and has no keys")
    node[keys[-1]] = value
