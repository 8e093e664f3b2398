import os

import lmdb
import pytest
from basicsr.utils import FileClient
from basicsr.utils.file_client import LmdbBackend

from ssiu_arch.patches.compat.data import lmdb_reopen
from ssiu_arch.patches.patch import _source, original


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "set.lmdb"
    with lmdb.open(str(path), map_size=2**20) as env, env.begin(write=True) as txn:
        txn.put(b"a", b"image")
    return path


def test_two_clients_read_one_database(database, tmp_path):
    (tmp_path / "link.lmdb").symlink_to(database)
    first = FileClient("lmdb", db_paths=str(database))
    second = FileClient("lmdb", db_paths=[str(tmp_path / "link.lmdb"), str(database)], client_keys=["lq", "gt"])
    assert first.get("a") == second.get("a", "lq") == second.get("a", "gt") == b"image"


def test_a_forked_child_opens_its_own(database):
    FileClient("lmdb", db_paths=str(database)).get("a")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, FileClient("lmdb", db_paths=str(database)).get("a"))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"image"
    os.waitpid(child, 0)
    assert FileClient("lmdb", db_paths=str(database)).get("a") == b"image"  # the parent's is still good


def test_keys_and_paths_must_match():
    with pytest.raises(ValueError, match=r"1 client_keys for 2 db_paths"):
        LmdbBackend(["a.lmdb", "b.lmdb"])


def test_inert_with_lmdb_1(monkeypatch):
    upstream = _source(original(LmdbBackend.__init__))
    assert lmdb_reopen.is_needed(upstream)
    monkeypatch.setattr(lmdb, "__version__", "1.4.1")
    assert not lmdb_reopen.is_needed(upstream)
