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
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import lmdb

from ssiu_arch.data.images import PNG_LEVEL
from ssiu_arch.data.sources import Source
from ssiu_arch.data.sub_images import Tile
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import existing_parent, size_text, sync_folder, write_file, writing

BATCH_BYTES = 64 * 2**20  # per transaction, which LMDB keeps in memory
_MAGIC = 0xBEEFC0DE


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

    Args:
        folder: the LMDB folder.
        shards: in the order of ``meta_info.txt``.
        advance: called with the number of shards in each batch that is written.

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
    # Room for the values, and for the tree when its pages are half full.
    map_size = (sum(stored_size(size) + mmap.PAGESIZE for *_, size in entries) // mmap.PAGESIZE + 256) * mmap.PAGESIZE
    try:
        for batch in _batches(shards):
            # Opened again for each batch, so that the bytes are the same: in one environment LMDB leaves remains of
            # earlier transactions in the gaps of its pages.
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
        sync_folder(partial)
        os.replace(partial, folder)
        sync_folder(folder.parent)


def _batches(shards: Sequence[Path]) -> Iterator[list[Path]]:
    """``shards`` in groups of at least ``BATCH_BYTES``, but for the last one."""
    batch: list[Path] = []
    pending = 0
    for shard in shards:
        batch.append(shard)
        pending += sum(size for *_, size in shard_entries(shard))
        if pending >= BATCH_BYTES:
            yield batch
            batch, pending = [], 0
    if batch:
        yield batch


def stored_size(size: int) -> int:
    """The bytes that LMDB uses for a value of ``size`` bytes: whole pages, unless it fits into half a page."""
    if size < mmap.PAGESIZE // 2:
        return size + 64
    return (size + 16 + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE + 64


@dataclass(frozen=True)
class MetaLine:
    """A line of ``meta_info.txt``: key, height, width, channels."""

    key: str
    height: int
    width: int
    channels: int


def read_meta(folder: Path) -> list[MetaLine]:
    """The lines of ``folder/meta_info.txt``.

    Raises:
        UserError: the file is missing, or has a line that BasicSR cannot read.
    """
    path = folder / "meta_info.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; prepare the set again") from None
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.fullmatch(r"([^.]+)\.png \((\d+),(\d+),(\d+)\) \d", line)
        if not match:
            raise UserError(f"{path}: line {number} is {line!r}, not like '0001_s001.png (288,288,3) 1'")
        lines.append(MetaLine(match[1], *(int(match[i]) for i in (2, 3, 4))))
    return lines


def check_file_size(folder: Path) -> int:
    """Compare the size of ``folder/data.mdb`` with its own header, and return the number of keys.

    LMDB opens a truncated file without an error, and the first access to a missing page then kills the process
    (SIGBUS). So this reads the header as a file: two meta pages, of which the one of the later transaction counts.

    Raises:
        UserError: the file is missing, too short or not an LMDB.
    """
    path = folder / "data.mdb"
    try:
        with open(path, "rb") as file:
            first = _meta_page(file.read(152))
            file.seek(first[0] if first else mmap.PAGESIZE)
            second = _meta_page(file.read(152))
        size = path.stat().st_size
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; prepare the set again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    pages = [page for page in (first, second) if page]
    if not pages:
        raise UserError(f"{path}: is not an LMDB file ({size} bytes); prepare the set again")
    page_size, entries, last_page, _ = max(pages, key=lambda page: page[3])
    needed = (last_page + 1) * page_size
    if size < needed:
        raise UserError(f"{path}: is truncated, {size} of {needed} bytes; copy or prepare it again")
    return entries


def _meta_page(data: bytes) -> tuple[int, int, int, int] | None:
    """Page size, entries, last page and transaction of a meta page (16 bytes of header, then ``struct MDB_meta``)."""
    if len(data) < 152 or struct.unpack_from("=I", data, 16)[0] != _MAGIC:
        return None
    page_size = struct.unpack_from("=I", data, 40)[0]  # md_pad of the free list's record
    entries = struct.unpack_from("=Q", data, 40 + 48 + 32)[0]  # md_entries of the main database's
    last_page, transaction = struct.unpack_from("=QQ", data, 40 + 2 * 48)
    return page_size, entries, last_page, transaction


def open_lmdb(folder: Path) -> lmdb.Environment:
    """Open ``folder`` for reading, after ``check_file_size``.

    Raises:
        UserError: it cannot be opened.
    """
    check_file_size(folder)
    try:
        return lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
    except lmdb.Error as error:
        raise UserError(f"{folder}: cannot be opened ({error})") from None
