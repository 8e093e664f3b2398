"""``prefetch_mode: cuda`` copies batches on a stream of its own, without telling the allocator who reads them.

Once Python drops a batch, its memory is free for the next copy, whether or not the GPU has read it. BasicSR reads the
losses in every iteration, which waits for the GPU and hides the race. ``SSIUModel`` does not wait: without this patch
it could train on images that are half overwritten.
"""

from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source


@replaces(
    "basicsr.data.prefetch_dataloader:CUDAPrefetcher.next",
    upstream="basicsr/data/prefetch_dataloader.py:117",
    reads=("basicsr.data.prefetch_dataloader:CUDAPrefetcher.preload",),
    is_needed=lambda fetch, preload: "record_stream" not in source(fetch) + source(preload),
)
def patch(upstream: Function) -> list[Function]:
    """`prefetch_mode: cuda` may overwrite images that the GPU has yet to read."""

    import torch

    def next_batch(self: Any) -> dict[str, Any] | None:
        """The next batch; its memory is not reused before the current stream has read it."""
        batch = upstream(self)
        for value in (batch or {}).values():
            if torch.is_tensor(value) and value.is_cuda:
                value.record_stream(torch.cuda.current_stream())
        return batch

    return [next_batch]
