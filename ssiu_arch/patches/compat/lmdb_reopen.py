"""lmdb 2 refuses to open one database twice in a process; BasicSR opens it once for every data set that reads it."""

import os
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source

_open_here: dict[str, tuple[int, Any]] = {}  # real path -> (process that opened it, environment)


def open_once(path: str, **options: Any) -> Any:
    """The process's environment of an LMDB folder, opened on the first call.

    LMDB forbids a forked worker to use its parent's environments. The worker closes its copies and opens its own.
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


def _is_needed(init: Function) -> bool:
    import lmdb

    return int(lmdb.__version__.split(".")[0]) >= 2 and "lmdb.open(" in source(init)


@replaces(
    "basicsr.utils.file_client:LmdbBackend.__init__",
    upstream="basicsr/utils/file_client.py:112",
    is_needed=_is_needed,
)
def patch(upstream: Function) -> list[Function]:
    """Two data sets that share an LMDB end in The environment is already open in this process."""

    def __init__(self: Any, db_paths: Any, client_keys: Any = "default", **options: Any) -> None:
        keys = [client_keys] if isinstance(client_keys, str) else client_keys
        self.db_paths = [str(path) for path in (db_paths if isinstance(db_paths, list) else [db_paths])]
        if len(keys) != len(self.db_paths):
            raise ValueError(f"{len(keys)} client_keys for {len(self.db_paths)} db_paths: give one each")
        options = {"readonly": True, "lock": False, "readahead": False, **options}
        self._client = {key: open_once(path, **options) for key, path in zip(keys, self.db_paths, strict=True)}

    return [__init__]
