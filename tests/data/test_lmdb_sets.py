import os
import struct

import numpy as np
import pytest
from basicsr.data.data_util import paired_paths_from_lmdb
from basicsr.utils import FileClient, imfrombytes
from basicsr.utils.lmdb_util import LmdbMaker

from ssiu_arch.data.images import encode_png
from ssiu_arch.data.lmdb_sets import (
    MetaLine,
    is_shard_of,
    open_lmdb,
    read_meta,
    read_shard,
    shard_entries,
    write_lmdb,
    write_shard,
)
from ssiu_arch.data.sources import from_file
from ssiu_arch.data.sub_images import Tile
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import write_file


@pytest.fixture
def shards(tmp_path, photo):
    paths = []
    for i in range(3):
        write_file(tmp_path / f"{i}.png", b"x" * i)
        tiles = [Tile(f"{i}_s{k:03d}", 24, 36, encode_png(photo(24, 36, 10 * i + k))) for k in (1, 2)]
        paths.append(tmp_path / f"{i}.shard")
        write_shard(paths[-1], from_file(tmp_path / f"{i}.png"), tiles)
    return paths


def test_shards_give_back_their_tiles_and_know_their_source(tmp_path, shards, photo):
    tiles = list(read_shard(shards[1]))
    assert [(tile.key, tile.height, tile.width) for tile in tiles] == [("1_s001", 24, 36), ("1_s002", 24, 36)]
    assert tiles[1].png == encode_png(photo(24, 36, 12))
    assert [entry[3] for entry in shard_entries(shards[1])] == [len(tile.png) for tile in tiles]
    assert is_shard_of(shards[1], from_file(tmp_path / "1.png"))
    assert not is_shard_of(shards[1], from_file(tmp_path / "2.png"))
    assert not is_shard_of(tmp_path / "none", from_file(tmp_path / "1.png"))
    for rubbish in (b"", b"\xff", b"[]\n", b"{}\n"):
        write_file(tmp_path / "bad.shard", rubbish)
        assert not is_shard_of(tmp_path / "bad.shard", from_file(tmp_path / "1.png"))
    os.utime(tmp_path / "1.png", ns=(0, 0))  # the same size, another time
    assert not is_shard_of(shards[1], from_file(tmp_path / "1.png"))


def entries(folder):
    with open_lmdb(folder) as env:
        return env.stat()["entries"]


def make(folder, shards):
    write_lmdb(folder, shards, lambda count: None)


def test_basicsr_reads_what_we_write(tmp_path, shards, photo):
    folders = [tmp_path / "gt.lmdb", tmp_path / "lq.lmdb"]
    for folder in folders:
        make(folder, shards)
    names = [str(folder) for folder in folders]
    paths = paired_paths_from_lmdb(names, ["gt", "lq"])
    assert [item["gt_path"] for item in paths] == ["0_s001", "0_s002", "1_s001", "1_s002", "2_s001", "2_s002"]
    client = FileClient("lmdb", db_paths=names, client_keys=["gt", "lq"])
    np.testing.assert_array_equal(imfrombytes(client.get("2_s001", "lq")), photo(24, 36, 21))


def test_the_meta_lines_are_basicsrs(tmp_path, shards):
    make(tmp_path / "ours.lmdb", shards)
    maker = LmdbMaker(str(tmp_path / "theirs.lmdb"), map_size=2**20)
    for shard in shards:
        for tile in read_shard(shard):
            maker.put(tile.png, tile.key, (tile.height, tile.width, 3))
    maker.close()
    ours, theirs = ((tmp_path / name / "meta_info.txt").read_text() for name in ("ours.lmdb", "theirs.lmdb"))
    assert ours == theirs
    assert read_meta(tmp_path / "ours.lmdb")[0] == MetaLine("0_s001", 24, 36, 3)
    assert entries(tmp_path / "ours.lmdb") == entries(tmp_path / "theirs.lmdb") == 6


def test_the_same_shards_give_the_same_bytes_also_over_the_rest_of_an_older_attempt(tmp_path, shards, monkeypatch):
    monkeypatch.setattr("ssiu_arch.data.lmdb_sets.BATCH", 1)  # several commits
    make(tmp_path / "a.lmdb", shards)
    write_file(tmp_path / "b.lmdb.partial" / "data.mdb", b"rubbish")
    make(tmp_path / "b.lmdb", shards)
    for name in ("data.mdb", "meta_info.txt"):
        assert (tmp_path / "a.lmdb" / name).read_bytes() == (tmp_path / "b.lmdb" / name).read_bytes()
    assert sorted(os.listdir(tmp_path / "a.lmdb")) == ["data.mdb", "meta_info.txt"]


def test_the_map_has_room_for_images_of_very_different_size(tmp_path):
    tiles = [Tile("flat", 1, 1, b"x"), *(Tile(f"big{i}", 1, 1, bytes([i]) * 300_000) for i in range(20))]
    write_file(tmp_path / "s.png", b"")
    write_shard(tmp_path / "s.shard", from_file(tmp_path / "s.png"), tiles)
    make(tmp_path / "a.lmdb", [tmp_path / "s.shard"])
    with open_lmdb(tmp_path / "a.lmdb") as env, env.begin() as transaction:
        assert transaction.get(b"big19") == bytes([19]) * 300_000


class Killed(BaseException):
    """Stands for kill -9 at a place of our choice."""


@pytest.mark.parametrize(("place", "moment"), [("read_shard", 1), ("read_shard", 3), ("os.replace", 1)])
def test_killed_at_any_place_the_next_run_gives_the_same_bytes(tmp_path, shards, monkeypatch, place, moment):
    monkeypatch.setattr("ssiu_arch.data.lmdb_sets.BATCH", 1)
    make(tmp_path / "whole.lmdb", shards)
    calls = iter(range(1, 100))

    def maybe_die(*arguments):
        if next(calls) == moment:
            raise Killed
        return read_shard(*arguments)

    target = tmp_path / "killed.lmdb"
    with monkeypatch.context() as patched:
        patched.setattr(f"ssiu_arch.data.lmdb_sets.{place}", maybe_die)
        with pytest.raises(Killed):
            make(target, shards)
    assert not target.exists()
    make(target, shards)
    for name in ("data.mdb", "meta_info.txt"):
        assert (target / name).read_bytes() == (tmp_path / "whole.lmdb" / name).read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="only POSIX flushes folders")
def test_names_are_flushed_before_the_shards_can_be_removed(tmp_path, shards, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_ino))
    make(tmp_path / "a.lmdb", shards)
    assert flushed[-2:] == [path.stat().st_ino for path in (tmp_path / "a.lmdb", tmp_path)]


@pytest.mark.parametrize("missing", [1, 4096, 20000])
def test_a_truncated_map_is_found_without_touching_it(tmp_path, shards, missing):
    make(tmp_path / "a.lmdb", shards)
    path = tmp_path / "a.lmdb" / "data.mdb"
    size = path.stat().st_size
    os.truncate(path, size - missing)
    with pytest.raises(UserError, match=rf"data\.mdb: is truncated, {size - missing} of {size} bytes"):
        open_lmdb(tmp_path / "a.lmdb")


def test_a_map_with_room_behind_its_pages_is_whole(tmp_path, shards):
    make(tmp_path / "a.lmdb", shards)
    os.truncate(tmp_path / "a.lmdb" / "data.mdb", 2**20)
    assert entries(tmp_path / "a.lmdb") == 6


@pytest.mark.parametrize("data", [b"", b"hello", bytes(9000), struct.pack("=16xI", 0xBEEFC0DE)])
def test_what_is_no_lmdb_is_named(tmp_path, data):
    write_file(tmp_path / "a.lmdb" / "data.mdb", data)
    with pytest.raises(UserError, match=r"data\.mdb: "):
        open_lmdb(tmp_path / "a.lmdb")


@pytest.mark.parametrize(
    "line", ["a.png", "a (1,2,3) 1", "a.b.png (1,2,3) 1", "a.png (1,2) 1", "a.png (1, 2, 3) 1", "", "ok.png (1,2,3) 1"]
)
def test_a_meta_line_that_basicsr_would_misread_is_quoted(tmp_path, line):
    write_file(tmp_path / "a.lmdb" / "meta_info.txt", f"ok.png (1,2,3) 1\n{line}\n".encode())
    with pytest.raises(UserError, match=r"meta_info\.txt: line 2 (is '|lists ok )"):
        read_meta(tmp_path / "a.lmdb")
