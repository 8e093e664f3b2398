"""The one place where BasicSR's ``parse_options`` is wrapped, for the repairs that change options."""

import sys
from collections.abc import Callable
from typing import Any

from ssiu_arch.patches.patch import is_ours, replace_everywhere

Options = dict[str, Any]
Change = Callable[[Options], None]  # made in place

when_read: list[Change] = []  # made to the options as the file has them
when_parsed: list[Change] = []  # made to what BasicSR made of them
on_command_line: list[Callable[[list[str]], tuple[list[str], list[Change]]]] = []  # takes arguments off, for changes


def wrap() -> None:
    """Make ``parse_options`` call ``when_read`` and ``when_parsed``. Safe to call again."""
    from basicsr.utils import options

    upstream = options.parse_options
    if is_ours(upstream):
        return

    def parse_options(root_path: str, is_train: bool = True) -> Any:
        """BasicSR's ``parse_options``, with the repairs of ``ssiu_arch.patches``."""
        ordered_yaml, argv = options.ordered_yaml, sys.argv
        sys.argv, changes = split_arguments(argv)
        loader, dumper = ordered_yaml()
        options.ordered_yaml = _changing_yaml(loader, dumper, changes)
        try:
            opt, args = upstream(root_path, is_train)
        finally:
            options.ordered_yaml, sys.argv = ordered_yaml, argv
        for change in when_parsed:
            change(opt)
        return opt, args

    replace_everywhere(upstream, parse_options)


def split_arguments(argv: list[str]) -> tuple[list[str], list[Change]]:
    """What the repairs leave of a command line, and the changes that the rest asks for, before ``when_read``."""
    changes: list[Change] = []
    for take in on_command_line:
        argv, more = take(argv)
        changes += more
    return argv, changes + when_read


def _changing_yaml(loader: Any, dumper: Any, changes: list[Change]) -> Callable[[], tuple[Any, Any]]:
    class Changing(loader):
        """A YAML loader whose document has been through ``changes``."""

        def get_single_data(self) -> Any:
            opt = super().get_single_data()
            if isinstance(opt, dict):
                for change in changes:
                    change(opt)
            return opt

    return lambda: (Changing, dumper)
