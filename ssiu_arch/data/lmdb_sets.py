"""Sub-images in LMDB as BasicSR reads them: ``NAME.lmdb/data.mdb`` and ``NAME.lmdb/meta_info.txt``.

Keys are image names without extension, values are PNG files. A line of ``meta_info.txt`` is
``0001_s001.png (288,288,3) 1``: name, shape, PNG compression level.

A database is built from shards, one file per source image and output. A shard makes the preparation resumable: it is
written atomically, and an image whose shards exist is not decoded again. Its format is one line of JSON, followed by
the PNG files.
"""

import json
import mmap
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import lmdb

from ssiu_arch.data.images import PNG_LEVEL
from ssiu_arch.data.sources import Source
from ssiu_arch.data.sub_images import Tile
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import existing_parent, size_text, write_file, writing

BATCH = 4  # shards per transaction, which LMDB keeps in memory


def write_shard(path: Path, source: Source, tiles: list[Tile]) -> None:
    """Write the ``tiles`` of ``source`` to ``path``, atomically."""
    entries = [[tile.key, tile.height, tile.width, len(tile.png)] for tile in tiles]
    header = json.dumps({"source": source.identity, "tiles": entries})
    write_file(path, b"".join([header.encode(), b"\n", *(tile.png for tile in tiles)]))


def is_shard_of(path: Path, source: Source) -> bool:
    """Whether ``path`` exists and was made from ``source`` as it is now."""
    try:
        with open(path, "rb") as file:
            return bool(json.loads(file.readline())["source"] == source.identity)
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # missing, or damaged by something else than a kill
        return False


def shard_entries(path: Path) -> list[tuple[str, int, int, int]]:
    """Key, height, width and bytes of each tile in a shard."""
    with open(path, "rb") as file:
        return [(key, height, width, size) for key, height, width, size in json.loads(file.readline())["tiles"]]


def read_shard(path: Path) -> Iterator[Tile]:
    """The tiles of a shard, one at a time."""
    with open(path, "rb") as file:
        for key, height, width, size in json.loads(file.readline())["tiles"]:
            yield Tile(key, height, width, file.read(size))


def write_lmdb(folder: Path, shards: Sequence[Path], advance: Callable[[int], object]) -> None:
    """Write the tiles of ``shards`` to ``folder`` (``.../NAME.lmdb``); the same shards give the same bytes.

    The database grows as ``NAME.lmdb.partial`` and is renamed when it is complete. After a kill the same call starts it
    again; copying shards takes little time compared with cutting images.

    ``advance`` is called with the number of shards in each batch that is written.

    Raises:
        UserError: it cannot be written.
    """
    partial = folder.with_suffix(".lmdb.partial")
    with writing(partial):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    entries = [entry for shard in shards for entry in shard_entries(shard)]
    lines = [f"{key}.png ({height},{width},3) {PNG_LEVEL}\n" for key, height, width, _ in entries]
    write_file(partial / "meta_info.txt", "".join(lines).encode("ascii"))
    # LMDB must know the largest size of its file. A value fills whole pages of its own, up to one more than its bytes
    # need; two more hold its place in the tree, whose pages may be half empty; 256 are for everything else.
    map_size = (sum(size // mmap.PAGESIZE + 3 for *_, size in entries) + 256) * mmap.PAGESIZE
    try:
        for start in range(0, len(shards), BATCH):
            # The same shards must give the same bytes, so that sets can be compared and hashed. Two things would spoil
            # that. LMDB does not clear memory that it uses again: within one environment, the gaps of a page hold what
            # an earlier transaction left there. So each transaction has an environment of its own. And the order of
            # the pages depends on where transactions end. So each takes the same number of shards.
            batch = shards[start : start + BATCH]
            with lmdb.open(str(partial), map_size=map_size, lock=False) as env, env.begin(write=True) as transaction:
                for tile in (tile for shard in batch for tile in read_shard(shard)):
                    transaction.put(tile.key.encode("ascii"), tile.png)
            advance(len(batch))
    except lmdb.Error as error:
        free = size_text(shutil.disk_usage(existing_parent(folder)).free)
        raise UserError(
            f"{folder}: cannot be written ({error}), {free} free on the disk; make room and run the same command again"
        ) from None
    with writing(folder):
        os.replace(partial, folder)
        # The shards are removed next. Flush the new names first, or a power cut could lose database and shards.
        for renamed in (folder, folder.parent) if os.name == "posix" else ():
            handle = os.open(renamed, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)


class MetaLine(NamedTuple):
    """A line of ``meta_info.txt``: key, height, width, channels."""

    key: str
    height: int
    width: int
    channels: int


def read_meta(folder: Path) -> list[MetaLine]:
    """The lines of ``folder/meta_info.txt``.

    Raises:
        UserError: the file is missing, has a line that BasicSR cannot read, or lists an image twice.
    """
    path = folder / "meta_info.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; prepare the set again") from None
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    lines: dict[str, MetaLine] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.fullmatch(r"([^.]+)\.png \((\d+),(\d+),(\d+)\) \d", line)
        if not match:
            raise UserError(f"{path}: line {number} is {line!r}, not like '0001_s001.png (288,288,3) 1'")
        if match[1] in lines:
            raise UserError(f"{path}: line {number} lists {match[1]} a second time; prepare the set again")
        lines[match[1]] = MetaLine(match[1], *(int(match[i]) for i in (2, 3, 4)))
    return list(lines.values())


def open_lmdb(folder: Path) -> lmdb.Environment:
    """Open ``folder`` for reading.

    LMDB opens a truncated file without an error, and the first access to a missing page then kills the process
    (SIGBUS). So the size of the file is compared with the last page that its header, which LMDB has checked, names.

    Raises:
        UserError: it is missing, truncated or no LMDB.
    """
    path = folder / "data.mdb"
    try:
        env = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
    except lmdb.Error as error:
        raise UserError(f"{path}: is missing or no LMDB ({error}); copy it again, or prepare the set again") from None
    size, needed = path.stat().st_size, (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    if size < needed:
        env.close()
        raise UserError(f"{path}: is truncated, {size} of {needed} bytes; copy or prepare it again")
    return env
