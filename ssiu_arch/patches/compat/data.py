"""Reading data: LMDB since its version 2, and copies to the GPU."""

import os
from typing import Any

from ssiu_arch.patches.patch import Function, replaces

_open_here: dict[str, tuple[int, Any]] = {}  # real path -> (process that opened it, environment)


def open_once(path: str, **options: Any) -> Any:
    """The process's environment of an LMDB folder, opened on the first call.

    lmdb 2 refuses to open one database twice in a process, and forbids a forked worker to use its parent's
    environments. The worker closes its copies and opens its own.
    """
    import lmdb

    real = os.path.realpath(path)
    pid, environment = _open_here.get(real, (0, None))
    if pid != os.getpid():
        if environment is not None:
            environment.close()
        environment = lmdb.open(path, **options)
        _open_here[real] = (os.getpid(), environment)
    return environment


def is_open(path: str | os.PathLike[str]) -> bool:
    """Whether this process has opened an LMDB folder by ``open_once``."""
    return _open_here.get(os.path.realpath(path), (0, None))[0] == os.getpid()


def _opens_twice(init: str) -> bool:
    import lmdb

    return int(lmdb.__version__.split(".")[0]) >= 2 and "lmdb.open(" in init


@replaces(
    "basicsr.utils.file_client:LmdbBackend.__init__",
    upstream="basicsr/utils/file_client.py:112",
    is_needed=_opens_twice,
)
def lmdb_reopen(upstream: Function) -> list[Function]:
    """Two data sets that share an LMDB end in The environment is already open in this process."""

    def __init__(self: Any, db_paths: Any, client_keys: Any = "default", **options: Any) -> None:
        keys = [client_keys] if isinstance(client_keys, str) else client_keys
        self.db_paths = [str(path) for path in (db_paths if isinstance(db_paths, list) else [db_paths])]
        if len(keys) != len(self.db_paths):
            raise ValueError(f"{len(keys)} client_keys for {len(self.db_paths)} db_paths: give one each")
        options = {"readonly": True, "lock": False, "readahead": False, **options}
        self._client = {key: open_once(path, **options) for key, path in zip(keys, self.db_paths, strict=True)}

    return [__init__]


# ``prefetch_mode: cuda`` copies batches on a stream of its own, without telling the allocator who reads them. Once
# Python drops a batch, its memory is free for the next copy, whether or not the GPU has read it. BasicSR reads the
# losses in every iteration, which waits for the GPU and hides the race. ``SSIUModel`` does not wait: without this patch
# it could train on images that are half overwritten.
@replaces(
    "basicsr.data.prefetch_dataloader:CUDAPrefetcher.next",
    upstream="basicsr/data/prefetch_dataloader.py:117",
    reads=("basicsr.data.prefetch_dataloader:CUDAPrefetcher.preload",),
    is_needed=lambda fetch, preload: "record_stream" not in fetch + preload,
)
def prefetch_streams(upstream: Function) -> list[Function]:
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
