"""The options below ``val`` that this package adds to BasicSR's."""

from typing import Any

from ssiu_arch.utils.errors import UserError


def check(opt: dict[str, Any]) -> None:
    """Raise ``UserError`` where an option is no sensible value: a metric's ``float_output``, or one of ``val``."""
    val = opt.get("val") or {}
    workers = val.get("metric_workers")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 0):
        raise UserError(f"val.metric_workers ({workers!r}) must be a whole number of threads, 0 for none")
    _check_flag("val.bicubic", val.get("bicubic"))
    tile, overlap = val.get("tile"), val.get("tile_overlap")
    if tile and overlap and overlap > tile // 2:
        raise UserError(f"val.tile_overlap ({overlap}) must be half of val.tile ({tile}) at most")
    for name, metric in (val.get("metrics") or {}).items():
        _check_flag(f"val.metrics.{name}.float_output", metric.get("float_output"))


def _check_flag(where: str, value: Any) -> None:
    if value is not None and not isinstance(value, bool):
        raise UserError(f"{where} ({value!r}) must be true or false")
