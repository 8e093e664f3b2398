"""BasicSR reads option files by PyYAML's ``Loader``, which makes any Python object that a tag names."""

import yaml

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.utils.option_yaml import OptionLoader


@replaces(
    "basicsr.utils.options:ordered_yaml",
    upstream="basicsr/utils/options.py:19 and 25",
    is_needed=lambda ordered_yaml: "SafeLoader" not in source(ordered_yaml),
)
def patch(upstream: Function) -> list[Function]:
    """An option file can run code, of two equal keys the last wins, `<<` fails, and `lr: 2e-4` is text."""

    def ordered_yaml() -> tuple[type, type]:
        """A loader of plain data alone, and a dumper."""
        return OptionLoader, yaml.SafeDumper

    return [ordered_yaml]
