"""Images in LMDB as BasicSR reads them: ``NAME.lmdb/data.mdb`` and ``NAME.lmdb/meta_info.txt``.

Keys are image names without extension, values PNG files; a line of ``meta_info.txt`` is
``0001_s001.png (288,288,3) 1``: name, shape, PNG compression level.
"""

import errno
import mmap
import os
import re
import shutil
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb

from ssiu_arch.data.images import PNG_LEVEL
from ssiu_arch.data.shards import read_shard, shard_entries
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import read_json, sync_folder, write_file, write_json, writing

BATCH_BYTES = 64 * 2**20  # of one transaction, which LMDB keeps in memory
_MAGIC = 0xBEEFC0DE


@dataclass(frozen=True)
class MetaLine:
    """A line of ``meta_info.txt``: key, height, width, channels."""

    key: str
    height: int
    width: int
    channels: int


def write_lmdb(folder: Path, shards: Sequence[Path], plan: Path, advance: Callable[[int], object]) -> None:
    """Move the contents of ``shards`` into ``folder`` (``.../NAME.lmdb``); the same shards give the same bytes.

    It grows under another name, a batch of shards at a time, and takes its own name when it is complete.
    Shards are removed as soon as their batch is safely stored, so the disk never holds much twice. After a
    kill the same call goes on with the first batch that is not stored.

    Args:
        folder: What to make.
        shards: From what, in this order.
        plan: A file to note the batches in; it must stay with the shards until ``folder`` exists.
        advance: Called with the number of shards in each batch that is done.

    Raises:
        UserError: If it cannot be written.
    """
    partial = folder.with_suffix(".lmdb.partial")
    agreed = read_json(plan)
    if agreed is None:
        agreed = _begin(partial, shards)
        write_json(plan, agreed)
    places = {shard.name: shard for shard in shards}
    try:
        for names in agreed["batches"]:
            # Opened anew for each batch: LMDB leaves rests of earlier transactions in the gaps of its pages.
            with lmdb.open(str(partial), map_size=agreed["map_size"], lock=False, sync=False) as env:
                _store(env, [places[name] for name in names])
            advance(len(names))
    except lmdb.Error as error:
        with writing(folder):
            if shutil.disk_usage(folder.parent).free < 2 * BATCH_BYTES:
                raise OSError(errno.ENOSPC, "No space left on device") from None
        raise UserError(f"{folder}: cannot be written ({error})") from None
    with writing(folder):
        sync_folder(partial)
        os.replace(partial, folder)
        sync_folder(folder.parent)


def _begin(partial: Path, shards: Sequence[Path]) -> dict[str, Any]:
    """Write ``meta_info.txt`` and return the size of the map and the names of the shards by batches."""
    with writing(partial):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    lines: list[str] = []
    sizes: list[int] = []
    batches: list[list[str]] = [[]]
    pending = 0
    for shard in shards:
        if pending >= BATCH_BYTES:
            batches.append([])
            pending = 0
        for key, height, width, size in shard_entries(shard):
            lines.append(f"{key}.png ({height},{width},3) {PNG_LEVEL}\n")
            sizes.append(size)
            pending += size
        batches[-1].append(shard.name)
    write_file(partial / "meta_info.txt", "".join(lines).encode("ascii"))
    return {"map_size": _map_size(sizes), "batches": batches}


def _store(env: lmdb.Environment, shards: Sequence[Path]) -> None:
    """Store a batch in one transaction, or recognise that it is stored, and remove its shards."""
    if all(shard.exists() for shard in shards):
        last_key = shard_entries(shards[-1])[-1][0].encode("ascii")
        with env.begin(write=True) as transaction:
            if transaction.get(last_key) is None:  # else the kill came before the shards could be removed
                for shard in shards:
                    for tile in read_shard(shard):
                        transaction.put(tile.key.encode("ascii"), tile.png)
        env.sync(True)
    for shard in shards:
        shard.unlink(missing_ok=True)


def stored_size(size: int) -> int:
    """The bytes that a value of ``size`` bytes takes in the file: whole pages, unless it fits half of one."""
    if size < mmap.PAGESIZE // 2:
        return size + 64
    return (size + 16 + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE + 64


def _map_size(sizes: Sequence[int]) -> int:
    """Room for values of these ``sizes``, and for the tree when its pages are half full."""
    return (sum(stored_size(size) + mmap.PAGESIZE for size in sizes) // mmap.PAGESIZE + 256) * mmap.PAGESIZE


def read_meta(folder: Path) -> list[MetaLine]:
    """The lines of ``folder/meta_info.txt``.

    Raises:
        UserError: If it is missing, or naming the first line that BasicSR would not understand.
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
        match = re.fullmatch(r"([^. ]+)\.png \((\d+),(\d+),(\d+)\) \d", line)
        if not match:
            raise UserError(f"{path}: line {number} is {line!r}, not like '0001_s001.png (288,288,3) 1'")
        lines.append(MetaLine(match[1], *(int(match[i]) for i in (2, 3, 4))))
    return lines


def check_file_size(folder: Path) -> int:
    """Compare the size of ``folder/data.mdb`` with what its own header promises, and return the number of keys.

    A shorter file opens without complaint and then kills the process (SIGBUS) at the first page that is
    missing. So the header is read as a plain file here: two meta pages, of which the later one counts.

    Raises:
        UserError: If the file is missing, no LMDB, or too short.
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
        raise UserError(f"{path}: is no LMDB file ({size} bytes); prepare the set again")
    page_size, entries, last_page, _ = max(pages, key=lambda page: page[3])
    needed = (last_page + 1) * page_size
    if size < needed:
        raise UserError(f"{path}: is truncated, {size} of {needed} bytes; copy or prepare it again")
    return entries


def _meta_page(data: bytes) -> tuple[int, int, int, int] | None:
    """Page size, entries, last page and transaction of a meta page (``struct MDB_meta`` after 16 bytes of header)."""
    if len(data) < 152 or struct.unpack_from("=I", data, 16)[0] != _MAGIC:
        return None
    page_size = struct.unpack_from("=I", data, 40)[0]  # md_pad of the free list's record
    entries = struct.unpack_from("=Q", data, 40 + 48 + 32)[0]  # md_entries of the main database's
    last_page, transaction = struct.unpack_from("=QQ", data, 40 + 2 * 48)
    return page_size, entries, last_page, transaction


def open_lmdb(folder: Path) -> lmdb.Environment:
    """Open ``folder`` to read, after ``check_file_size``.

    Raises:
        UserError: If it cannot be opened.
    """
    check_file_size(folder)
    try:
        return lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
    except lmdb.Error as error:
        raise UserError(f"{folder}: cannot be opened ({error})") from None
