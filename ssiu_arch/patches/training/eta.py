"""The time that is left is counted for an iteration too few: the last line of a log says ``-1 day, 23:59:59``."""

import inspect
from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours


def _is_needed() -> bool:
    from basicsr.utils import MessageLogger

    counted = "self.max_iters - current_iter - 1" in inspect.getsource(MessageLogger)
    return counted and not is_ours(MessageLogger.__init__)


def _apply() -> None:
    from basicsr.utils import MessageLogger

    upstream = MessageLogger.__init__

    def __init__(self: Any, opt: dict[str, Any], start_iter: int = 1, tb_logger: Any = None) -> None:
        upstream(self, opt, start_iter, tb_logger)
        self.max_iters = int(self.max_iters) + 1  # BasicSR takes one off again

    MessageLogger.__init__ = __init__


REPAIR = Repair(
    defect="the log's last line says `eta: -1 day, 23:59:59`",
    upstream="basicsr/utils/logger.py:104",
    until="BasicSR counts the iterations that are left",
    is_needed=_is_needed,
    apply=_apply,
)
