"""With ``prefetch_mode: cpu`` an exception in the data set ends the thread that prefetches; training waits for ever."""

from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours


class _Failed:
    """What stands in the queue in the place of the batch that could not be made."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _is_needed() -> bool:
    from basicsr.data.prefetch_dataloader import PrefetchGenerator

    return not is_ours(PrefetchGenerator.run)


def _apply() -> None:
    from basicsr.data.prefetch_dataloader import PrefetchGenerator

    upstream = PrefetchGenerator.__next__

    def run(self: Any) -> None:
        """Put every batch into the queue, then None; or the exception that came instead."""
        try:
            for item in self.generator:
                self.queue.put(item)
        except BaseException as error:  # raised again where the batch is asked for
            self.queue.put(_Failed(error))
        else:
            self.queue.put(None)

    def __next__(self: Any) -> Any:
        """The next batch; raises what its making raised."""
        item = upstream(self)
        if isinstance(item, _Failed):
            raise item.error
        return item

    PrefetchGenerator.run, PrefetchGenerator.__next__ = run, __next__


REPAIR = Repair(
    defect="`prefetch_mode: cpu` hangs for ever when an image cannot be read",
    upstream="basicsr/data/prefetch_dataloader.py:25",
    until="BasicSR hands the exception on",
    is_needed=_is_needed,
    apply=_apply,
)
