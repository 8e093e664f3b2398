"""``--force_yml`` takes negative and exponent numbers for text, no value with ``=`` in it, no new keys, no seed."""

from typing import Any

import yaml

from ssiu_arch.errors import UserError
from ssiu_arch.repairs import option_parsing
from ssiu_arch.repairs.repair import Repair


def override(opt: dict[str, Any], entry: str) -> None:
    """Set one option in place.

    Args:
        opt: options.
        entry: ``key:key:...=value``; what follows the first ``=`` is read as YAML. Keys that are missing are made.

    Raises:
        UserError: there is no ``=``, or a key lies below something that has no keys.
    """
    keys, equals, text = entry.partition("=")
    if not equals:
        raise UserError(f"--force_yml {entry!r} has no '=': write train:ema_decay=0.999")
    *parents, last = (key.strip() for key in keys.split(":"))
    node = opt
    for depth, key in enumerate(parents):
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise UserError(f"--force_yml {entry!r}: {':'.join(parents[: depth + 1])} is {node!r} and has no keys")
    node[last] = _value(text.strip())


def _value(text: str) -> Any:
    from basicsr.utils.options import ordered_yaml

    if text.lower() == "none":
        return None
    try:
        return yaml.load(text.replace("!!float", "!!float "), Loader=ordered_yaml()[0])
    except yaml.YAMLError:
        return text


def _is_needed() -> bool:
    from basicsr.utils import options

    return getattr(options, "_postprocess_yml_value", str)("-1") == "-1"


REPAIR = Repair(
    defect="`--force_yml train:warmup_iter=-1` sets text, `k=a=b` and new keys end in a traceback",
    upstream="basicsr/utils/options.py:59 and 117",
    until="BasicSR reads the value as YAML",
    is_needed=_is_needed,
    apply=option_parsing.wrap,
)
