"""The remaining time is counted for one iteration too few: the last line of a log says ``-1 day, 23:59:59``."""

from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source


@replaces(
    "basicsr.utils.logger:MessageLogger.__init__",
    upstream="basicsr/utils/logger.py:104",
    reads=("basicsr.utils.logger:MessageLogger.__call__",),
    is_needed=lambda init, call: "self.max_iters - current_iter - 1" in source(call),
)
def patch(upstream: Function) -> list[Function]:
    """The log's last line says `eta: -1 day, 23:59:59`."""

    def __init__(self: Any, opt: dict[str, Any], start_iter: int = 1, tb_logger: Any = None) -> None:
        upstream(self, opt, start_iter, tb_logger)
        self.max_iters = int(self.max_iters) + 1  # BasicSR subtracts one again

    return [__init__]
