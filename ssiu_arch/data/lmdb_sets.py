"""Images in LMDB as BasicSR reads them: ``NAME.lmdb/data.mdb`` and ``NAME.lmdb/meta_info.txt``.

Keys are image names without extension, values PNG files; a line of ``meta_info.txt`` is
``0001_s001.png (288,288,3) 1``: name, shape, PNG compression level.
"""

import mmap
import os
import re
import shutil
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import lmdb

from ssiu_arch.data.files import sync_folder, write_file, writing
from ssiu_arch.data.images import PNG_LEVEL
from ssiu_arch.data.shards import read_shard, shard_entries
from ssiu_arch.errors import UserError

COMMIT_BYTES = 64 * 2**20  # LMDB keeps what is not committed in memory
_MAGIC = 0xBEEFC0DE


@dataclass(frozen=True)
class MetaLine:
    """A line of ``meta_info.txt``: key, height, width, channels."""

    key: str
    height: int
    width: int
    channels: int


def write_lmdb(folder: Path, shards: Sequence[Path], advance: Callable[[], object]) -> None:
    """Build ``folder`` (``.../NAME.lmdb``) from ``shards``; the same shards give the same bytes.

    It grows under another name and takes its own when it is complete. ``advance`` is called after each shard.

    Raises:
        UserError: If it cannot be written.
    """
    partial = folder.with_suffix(".lmdb.partial")
    with writing(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    entries = [entry for shard in shards for entry in shard_entries(shard)]
    try:
        with lmdb.open(str(partial), map_size=_map_size([size for *_, size in entries]), lock=False, sync=False) as env:
            _fill(env, shards, advance)
            env.sync(True)
    except lmdb.Error as error:
        with writing(folder):
            if shutil.disk_usage(folder.parent).free < 2 * COMMIT_BYTES:
                raise OSError(28, "No space left on device") from None
        raise UserError(f"{folder}: cannot be written ({error})") from None
    lines = [f"{key}.png ({height},{width},3) {PNG_LEVEL}\n" for key, height, width, _ in entries]
    write_file(partial / "meta_info.txt", "".join(lines).encode("ascii"))
    with writing(folder):
        sync_folder(partial)
        os.replace(partial, folder)
        sync_folder(folder.parent)


def _fill(env: lmdb.Environment, shards: Sequence[Path], advance: Callable[[], object]) -> None:
    transaction, pending = env.begin(write=True), 0
    for shard in shards:
        for tile in read_shard(shard):
            transaction.put(tile.key.encode("ascii"), tile.png)
            pending += len(tile.png)
            if pending >= COMMIT_BYTES:
                transaction.commit()
                transaction, pending = env.begin(write=True), 0
        advance()
    transaction.commit()


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
