"""``prefetch_mode: cuda`` copies batches on a stream of its own and does not say that the network's stream reads them.

A batch's memory is free for the next copy once Python lets go of it, whether or not the GPU has come to use it. BasicSR
reads the losses in every iteration, which waits for the GPU and hides that; a model that does not wait would train on
images half overwritten.
"""

import inspect
from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours


def _is_needed() -> bool:
    from basicsr.data.prefetch_dataloader import CUDAPrefetcher

    return not is_ours(CUDAPrefetcher.next) and "record_stream" not in inspect.getsource(CUDAPrefetcher)


def _apply() -> None:
    import torch
    from basicsr.data.prefetch_dataloader import CUDAPrefetcher

    upstream = CUDAPrefetcher.next

    def next_batch(self: Any) -> dict[str, Any] | None:
        """The next batch, whose memory stays its own until the current stream is done with it."""
        batch = upstream(self)
        for value in (batch or {}).values():
            if torch.is_tensor(value) and value.is_cuda:
                value.record_stream(torch.cuda.current_stream())
        return batch

    CUDAPrefetcher.next = next_batch


REPAIR = Repair(
    defect="`prefetch_mode: cuda` may overwrite images that the GPU has yet to read, where no iteration waits for it",
    upstream="basicsr/data/prefetch_dataloader.py:117",
    until="BasicSR calls record_stream",
    is_needed=_is_needed,
    apply=_apply,
)
