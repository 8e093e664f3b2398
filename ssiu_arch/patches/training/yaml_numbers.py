"""``lr: 2e-4`` in an option file is text: YAML 1.1 asks for a dot and a signed exponent, ``2.0e-4``."""

import re

from ssiu_arch.patches.patch import Function, replaces

EXPONENT = re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$")


def _is_needed(ordered_yaml: Function) -> bool:
    import yaml

    return isinstance(yaml.load("1e-3", Loader=ordered_yaml()[0]), str)


@replaces(
    "basicsr.utils.options:ordered_yaml",
    upstream="basicsr/utils/options.py:25",
    is_needed=_is_needed,
)
def patch(upstream: Function) -> list[Function]:
    """`lr: 2e-4` ends in '<=' not supported between 'float' and 'str', `val_freq: 5e3` likewise."""

    def ordered_yaml() -> tuple[type, type]:
        """BasicSR's YAML loader and dumper; the loader also reads numbers such as ``1e-3`` and ``5e3``."""
        loader, dumper = upstream()

        class Loader(loader):  # type: ignore[misc,valid-type]
            """BasicSR's loader, in a class of its own: other users of PyYAML keep theirs."""

        Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("+-.0123456789"))
        return Loader, dumper

    return [ordered_yaml]
