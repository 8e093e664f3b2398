"""Every ``type`` in an option file, looked up in its registry."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from ssiu_arch.plugins import loaded_plugins
from ssiu_arch.utils.errors import UserError

# Networks of the field that BasicSR does not have, by lower-case name, and whose repository brings them.
BROUGHT_BY = {
    "atd": "LabShuHangGU/Adaptive-Token-Dictionary",
    "craft": "AVC2-UESTC/CRAFT-SR",
    "dat": "zhengchen1999/DAT",
    "hat": "XPixelGroup/HAT",
    "safmn": "sunny2109/SAFMN",
    "shufflemixer": "sunny2109/ShuffleMixer",
    "srformer": "HVision-NKU/SRFormer",
}


def check(opt: dict[str, Any]) -> None:
    """Raise ``UserError`` for the first type that no registry knows, with what is registered."""
    from basicsr.utils import registry

    for where, name, kind in named_types(opt):
        known = getattr(registry, f"{kind.upper()}_REGISTRY")
        if name is None:
            raise UserError(f"{where} is missing")
        if not isinstance(name, str) or (name not in known and f"{name}_basicsr" not in known):
            raise UserError(f"{where}: {_unknown(str(name), kind, sorted(map(str, known.keys())))}")


def named_types(opt: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Every type an option file names: where it stands, the name, and the kind of registry it belongs to."""
    yield "model_type", opt.get("model_type"), "model"
    for section, options in opt.items():
        if section.startswith("network_") and isinstance(options, dict):
            yield f"{section}.type", options.get("type"), "arch"
    for phase, options in opt["datasets"].items():
        yield f"datasets.{phase}.type", options.get("type"), "dataset"
    for section, options in (opt.get("train") or {}).items():
        if section.endswith("_opt") and isinstance(options, dict) and "type" in options:
            yield f"train.{section}.type", options["type"], "loss"
    for metric, options in ((opt.get("val") or {}).get("metrics") or {}).items():
        yield f"val.metrics.{metric}.type", (options or {}).get("type"), "metric"


def _unknown(name: str, kind: str, known: list[str]) -> str:
    lower = {entry.lower(): entry for entry in known}
    close = [lower[match] for match in get_close_matches(name.lower(), lower, n=2)]
    meant = f"; did you mean {' or '.join(close)}?" if close else "."
    source = BROUGHT_BY.get(name.lower().removesuffix("model"))
    brings = f"{name} comes with {source}" if source else f"another package brings its {kind}s"
    return (
        f"no {kind} {name!r} is registered{meant} Registered: {', '.join(known)}. Plugins: "
        f"{', '.join(loaded_plugins()) or 'none'}; {brings} once it is installed here with an entry point in the group "
        "basicsr.plugins"
    )
