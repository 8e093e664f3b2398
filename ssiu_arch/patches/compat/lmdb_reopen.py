"""lmdb 2 refuses to open one database twice in a process; BasicSR opens it once for every data set that reads it."""

import os
from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours

_open_here: dict[str, tuple[int, Any]] = {}  # real path -> (process that opened it, environment)


def open_once(path: str, **options: Any) -> Any:
    """The process's environment of an LMDB folder, opened on the first call.

    A forked worker inherits its parent's environments, which LMDB forbids it to use: it closes its copies of them and
    opens its own.
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


def _is_needed() -> bool:
    import lmdb
    from basicsr.utils.file_client import LmdbBackend

    return int(lmdb.__version__.split(".")[0]) >= 2 and not is_ours(LmdbBackend.__init__)


def _apply() -> None:
    from basicsr.utils.file_client import LmdbBackend

    def __init__(
        self: Any,
        db_paths: Any,
        client_keys: Any = "default",
        readonly: bool = True,
        lock: bool = False,
        readahead: bool = False,
        **kwargs: Any,
    ) -> None:
        keys = [client_keys] if isinstance(client_keys, str) else client_keys
        self.db_paths = [str(path) for path in (db_paths if isinstance(db_paths, list) else [db_paths])]
        if len(keys) != len(self.db_paths):
            raise ValueError(f"{len(keys)} client_keys for {len(self.db_paths)} db_paths: give one each")
        options = {"readonly": readonly, "lock": lock, "readahead": readahead, **kwargs}
        self._client = {key: open_once(path, **options) for key, path in zip(keys, self.db_paths, strict=True)}

    LmdbBackend.__init__ = __init__


REPAIR = Repair(
    defect="two data sets that share an LMDB end in The environment is already open in this process",
    upstream="basicsr/utils/file_client.py:112",
    until="BasicSR shares environments between its data sets",
    is_needed=_is_needed,
    apply=_apply,
)
