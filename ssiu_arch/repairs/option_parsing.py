"""The one place where BasicSR's ``parse_options`` is wrapped, for the repairs that change options."""

import functools
import sys
from collections.abc import Callable
from typing import Any

from ssiu_arch.repairs.repair import replace_everywhere

Options = dict[str, Any]

when_read: list[Callable[[Options], None]] = []  # called with the options as the file has them
when_parsed: list[Callable[[Options], None]] = []  # called with what BasicSR made of them


def wrap() -> None:
    """Make ``parse_options`` call ``when_read`` and ``when_parsed``. Safe to call again."""
    from basicsr.utils import options

    upstream = options.parse_options
    if hasattr(upstream, "calls_repairs"):
        return

    def parse_options(root_path: str, is_train: bool = True) -> Any:
        """BasicSR's ``parse_options``, with the repairs of ``ssiu_arch.repairs``."""
        ordered_yaml, argv = options.ordered_yaml, sys.argv
        sys.argv, overrides = split_force_yml(argv)
        options.ordered_yaml = functools.partial(_changing_yaml, ordered_yaml, overrides)
        try:
            opt, args = upstream(root_path, is_train)
        finally:
            options.ordered_yaml, sys.argv = ordered_yaml, argv
        for change in when_parsed:
            change(opt)
        return opt, args

    parse_options.calls_repairs = True  # type: ignore[attr-defined]
    replace_everywhere(upstream, parse_options)


def _changing_yaml(ordered_yaml: Callable[[], tuple[Any, Any]], overrides: list[str]) -> tuple[Any, Any]:
    loader, dumper = ordered_yaml()

    class Changing(loader):  # type: ignore[valid-type, misc]
        """A YAML loader whose document has been through ``when_read``."""

        def get_single_data(self) -> Any:
            opt = super().get_single_data()
            return changed_when_read(opt, overrides) if isinstance(opt, dict) else opt

    return Changing, dumper


def changed_when_read(opt: Options, overrides: list[str]) -> Options:
    """The options of a file after ``--force_yml`` and the repairs, as BasicSR is going to see them."""
    from ssiu_arch.repairs.force_yml import override

    for entry in overrides:
        override(opt, entry)
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
