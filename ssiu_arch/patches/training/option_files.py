"""How an option file becomes options: ``--force_yml``, defaults, ``shipped`` weights, ``dist_params``, ``--debug``.

BasicSR applies ``--force_yml`` by ``eval`` and ``exec``: a value can run code, ``-1`` and ``1e-3`` are text, and there
may be neither ``=`` in a value nor new keys. It also reads some options without asking whether they are there, and
takes ``debug`` anywhere in ``name`` for ``--debug``. Here the changes are made to the YAML document, before BasicSR
sees it.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from ssiu_arch.patches.patch import Function, replaces
from ssiu_arch.patches.training import distributed
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.option_yaml import OptionLoader

Options = dict[str, Any]
Change = Callable[[Options], None]  # made in place

DEFAULTS: dict[str, Options] = {
    "path": {},
    "logger": {"print_freq": 100, "save_checkpoint_freq": 5000, "use_tb_logger": False},
    "val": {"save_img": False, "suffix": None},
}


def changes(entries: list[str], debug: bool = False) -> list[Change]:
    """All changes that make the options of a file those of a run, in order.

    Args:
        entries: of ``--force_yml``.
        debug: whether the run has the flag ``--debug``.

    Raises:
        UserError: see ``forced``.
    """
    return [*map(forced, entries), fill, use_shipped_weights, distributed.remember, *([] if debug else [hide_debug])]


def forced(entry: str) -> Change:
    """The change that ``key:key:...=value`` asks for: keys from the root down; the value is YAML, or ``none``.

    Raises:
        UserError: there is no ``=``, a key is empty, or the value is more than plain data; when the change is made, a
            key lies below a value that has no keys.
    """
    name, equals, text = entry.partition("=")
    keys, text = [key.strip() for key in name.split(":")], text.strip()
    if not equals or not all(keys):
        raise UserError(f"--force_yml {entry!r} must have the form KEY:KEY=VALUE, such as train:ema_decay=0.999")
    try:
        value = None if text.lower() == "none" else yaml.load(text.replace("!!float", "!!float "), OptionLoader)
    except ConstructorError as error:
        raise UserError(f"--force_yml {name}: {error.problem}") from error
    except yaml.YAMLError:  # of [oops
        value = text

    def change(opt: Options) -> None:
        node = opt
        for depth, key in enumerate(keys[:-1], 1):
            if node.get(key) is None:
                node[key] = {}
            node = node[key]
            if not isinstance(node, dict):
                above = ":".join(keys[:depth])
                raise UserError(f"--force_yml {name}={value}: {above} is {node!r} and has no keys")
        node[keys[-1]] = value

    return change


def fill(opt: Options) -> None:
    """Add the options that BasicSR reads without asking, in place.

    A training without ``val`` stays without: it means no validation. A data set that is null is removed, so that
    ``--force_yml datasets:test_3=none`` skips one.
    """
    if isinstance(opt.get("datasets"), dict):
        for name in [name for name, dataset in opt["datasets"].items() if dataset is None]:
            del opt["datasets"][name]
    for section, defaults in DEFAULTS.items():
        if section == "val" and "train" in opt and opt.get("val") is None:
            continue
        opt[section] = {**defaults, **(opt.get(section) or {})}
    if opt.get("num_gpu") is None:
        opt["num_gpu"] = "auto"


def use_shipped_weights(opt: Options) -> None:
    """Replace the word ``shipped`` in ``path.pretrain_network_*`` by the file of the package's weights for ``scale``.

    Raises:
        UserError: the package has no weights for this scale.
    """
    from ssiu_arch.weights.shipped import NAME, shipped

    for key in [key for key, value in opt["path"].items() if key.startswith("pretrain_network_") and value == NAME]:
        if opt.get("scale") not in (2, 3, 4):
            raise UserError(f"path.{key}: {NAME} needs scale: 2, 3 or 4 (here {opt.get('scale')}), or name a file")
        opt["path"][key] = str(shipped(opt["scale"]))


class _Name(str):
    """The name of a run, in which BasicSR finds no ``debug``."""

    def __contains__(self, part: object) -> bool:
        return part != "debug" and str.__contains__(self, part)  # type: ignore[operator]


def hide_debug(opt: Options) -> None:
    """Let a run whose ``name`` contains ``debug`` be an ordinary one, in place."""
    if isinstance(opt.get("name"), str) and "debug" in opt["name"]:
        opt["name"] = _Name(opt["name"])


@replaces(
    "basicsr.utils.options:ordered_yaml",
    upstream="basicsr/utils/options.py:19 and 25",
    is_needed=lambda ordered_yaml: "SafeLoader" not in ordered_yaml,
)
def safe_yaml(upstream: Function) -> list[Function]:
    """An option file can run code, of two equal keys the last wins, `<<` fails, and `lr: 2e-4` is text."""

    return [lambda: (OptionLoader, yaml.SafeDumper)]  # the loader reads plain data alone


@replaces(
    "basicsr.utils.options:parse_options",
    upstream="basicsr/utils/options.py:59, 75, 111 and 136, utils/logger.py:69, models/sr_model.py:176, train.py:196",
    is_needed=lambda parse_options: "--force_yml" not in parse_options or "exec(" in parse_options,
)
def option_files(upstream: Function) -> list[Function]:
    """`--force_yml` runs code, sets `-1` as text and takes no new keys; a missing `val.suffix` or `num_gpu` ends in
    KeyError; `debug` within `name` changes the run.
    """

    from basicsr.utils import options

    def parse_options(root_path: str, is_train: bool = True) -> Any:
        """BasicSR's ``parse_options``, which reads an option file after all ``changes``."""
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        parser.add_argument("--force_yml", nargs="+", action="extend", default=[])
        ordered_yaml, argv = options.ordered_yaml, sys.argv
        found, rest = parser.parse_known_args(argv)
        made = changes(found.force_yml, debug="--debug" in rest)
        loader, dumper = ordered_yaml()

        class Changing(loader):  # type: ignore[misc,valid-type]
            def get_single_data(self) -> Any:
                """The document, changed."""
                opt = super().get_single_data()
                for change in made if isinstance(opt, dict) else ():
                    change(opt)
                return opt

        options.ordered_yaml, sys.argv = lambda: (Changing, dumper), rest
        try:
            return upstream(root_path, is_train)
        finally:
            options.ordered_yaml, sys.argv = ordered_yaml, argv

    return [parse_options]
