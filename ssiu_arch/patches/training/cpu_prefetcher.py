"""``prefetch_mode: cpu`` (and none) hands on no exception, and starts all workers twice.

An exception in the data set ends the prefetching thread, and training waits for ever. ``CPUPrefetcher`` also starts the
loader when it is made, and again when the first epoch begins: workers that persist then serve both iterators at once,
and a thread of the first takes batches of the second. Without workers, the thread makes the samples: it shares the
random generators with the network that is trained meanwhile.
"""

from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source


class _Failed:
    """Takes the place of a batch that could not be made."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


@replaces(
    "basicsr.data.prefetch_dataloader:PrefetchGenerator.run",
    "basicsr.data.prefetch_dataloader:PrefetchGenerator.__next__",
    "basicsr.data.prefetch_dataloader:CPUPrefetcher.__init__",
    "basicsr.data.prefetch_dataloader:CPUPrefetcher.next",
    "basicsr.data.prefetch_dataloader:PrefetchDataLoader.__iter__",
    upstream="basicsr/data/prefetch_dataloader.py:25, 58 and 72",
    is_needed=lambda run, get, init, following, begin: "except" not in source(run) or "iter(loader)" in source(init),
)
def patch(run: Function, get: Function, init: Function, following: Function, begin: Function) -> list[Function]:
    """`prefetch_mode: cpu` hangs when an image cannot be read, fails with `persistent_workers: true`, and without
    workers disturbs the random numbers of dropout.
    """

    from torch.utils.data import DataLoader

    def run_and_catch(self: Any) -> None:
        """Put every batch into the queue, then None; or the exception that came instead."""
        try:
            for item in self.generator:
                self.queue.put(item)
        except BaseException as error:  # raised again where the batch is asked for
            self.queue.put(_Failed(error))
        else:
            self.queue.put(None)

    def get_or_raise(self: Any) -> Any:
        """The next batch; raises what its making raised."""
        item = get(self)
        if isinstance(item, _Failed):
            raise item.error
        return item

    def start_later(self: Any, loader: Any) -> None:
        self.ori_loader, self.loader = loader, None

    def next_batch(self: Any) -> Any:
        """The next batch; starts the loader if ``reset`` has not."""
        if self.loader is None:
            self.reset()
        return following(self)

    def begin_epoch(self: Any) -> Any:
        """An iterator over the batches; the thread that fetches them in advance needs workers that make them."""
        return begin(self) if self.num_workers else DataLoader.__iter__(self)

    return [run_and_catch, get_or_raise, start_later, next_batch, begin_epoch]
