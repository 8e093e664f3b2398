"""``CPUPrefetcher`` goes through the loader when it is made, and again when the first epoch begins.

Workers start twice. Those that persist serve both at once: with ``prefetch_mode: cpu`` a thread of the first time takes
batches from the second.
"""

from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours


def _is_needed() -> bool:
    from basicsr.data.prefetch_dataloader import CPUPrefetcher

    return not is_ours(CPUPrefetcher.next)


def _apply() -> None:
    from basicsr.data.prefetch_dataloader import CPUPrefetcher

    upstream = CPUPrefetcher.next

    def __init__(self: Any, loader: Any) -> None:
        self.ori_loader, self.loader = loader, None

    def next_batch(self: Any) -> Any:
        """The next batch, of a first time through the loader where ``reset`` has not begun one."""
        if self.loader is None:
            self.reset()
        return upstream(self)

    CPUPrefetcher.__init__, CPUPrefetcher.next = __init__, next_batch


REPAIR = Repair(
    defect="workers start twice; `persistent_workers: true` with `prefetch_mode: cpu` ends in Invalid iterator state",
    upstream="basicsr/data/prefetch_dataloader.py:72",
    until="BasicSR begins with the epoch",
    is_needed=_is_needed,
    apply=_apply,
)
