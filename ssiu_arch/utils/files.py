"""Atomic writes, locks, checksums and sizes of files."""

import errno
import functools
import hashlib
import json
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from ssiu_arch.utils.errors import UserError


def size_text(size: float) -> str:
    """A number of bytes with its unit, in powers of 1000: ``5.94 MB``, ``31 GB``."""
    units = ["TB", "GB", "MB", "kB", "bytes"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop()
    return f"{size:.3g} {units[-1]}"


def write_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically; see ``new_file``."""
    with new_file(path) as file:
        file.write(data)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path``, which takes its name once the block has ended without an error.

    After ``kill -9`` or a power cut ``path`` is complete or unchanged. No two processes share a temporary file, and
    those of killed ones are removed.

    Raises:
        UserError: it cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent.absolute())
        while True:  # until no sweep of another process came between the file and its lock
            temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(8)}.tmp")
            file = open(temporary, "xb")  # noqa: SIM115 (closed below)
            if _lock(file) is not False and temporary.exists():
                break
            file.close()
        with file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if os.name == "nt":
                    file.close()  # Windows renames no open file
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise


@functools.cache  # once for a folder, not for each of its files
def _sweep(folder: Path) -> None:
    """Remove the temporary files of processes that were killed; those of running ones are locked."""
    for temporary in folder.glob(".*-*.tmp"):
        if not temporary.name.startswith(f".{os.getpid()}-"):
            with suppress(OSError), open(temporary, "r+b") as file:
                if _lock(file):
                    temporary.unlink()


def _lock(file: IO[Any]) -> bool | None:
    """Lock an open file: whether no other process had locked it; None if its file system has no locks.

    The lock ends with the file or the process, however that ends; children do not inherit it.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(2**30)  # Windows lets nobody else read a locked byte: lock one that nobody reads
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK) else None
    return True


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError while writing ``path`` into a ``UserError``."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(existing_parent(path)).free
            raise UserError(
                f"{path}: the disk is full ({size_text(free)} free); make room and run the same command again, "
                "finished work is kept"
            ) from None
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically; see ``write_file``."""
    write_file(path, (json.dumps(value, indent=1) + "\n").encode())


def read_json(path: Path) -> Any:
    """The contents of a JSON file that this package wrote, None if there is none; ``UserError`` if it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); remove it or use --force") from None


def zip_damage(path: str | Path) -> str | None:
    """What is wrong with a zip file, such as ``torch.save`` writes; None if it is whole.

    Reads every part and compares its checksum, which ``torch.load`` does not; keeps a megabyte in memory. A file that
    is not a zip counts as damaged. Parts saved without checksums (``set_crc32_options(False)``) are not compared.
    """
    import zipfile

    try:
        size = os.path.getsize(path)
        if not size:
            return "it is empty (0 bytes)"
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > size:
                return f"it claims more than its {size:,} bytes"
            if any(part.external_attr & 0x10 for part in parts):  # torch then reads whatever is in memory
                return "a part of it is marked as a folder"
            damaged = archive.testzip() if any(part.CRC for part in parts) else None
            return damaged and f"the checksum of its part {damaged!r} is wrong"
    except Exception as error:  # a hostile header fails anywhere in zipfile, with half a dozen types
        return " ".join(str(error).split()) or type(error).__name__


def existing_parent(path: Path) -> Path:
    """``path`` itself or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path``, so that no two processes do the same at once.

    The lock ends with the process, however that ends: a file that a killed one left locks nothing. On a network drive
    this needs a server with locks; without them, nothing is locked.

    Raises:
        UserError: another process holds it. The message begins with ``what`` and says which process.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:  # until the file was not removed between its opening and its lock
            file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 (closed below)
            if _lock(file) is False:
                with file:
                    file.seek(0)
                    owner = file.read().strip() or "another process"
                raise UserError(f"{what} ({owner}); wait for its end. If that machine has gone, remove {path}")
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                    break
            file.close()
    with file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no open file
                path.unlink()


DIGITS = 12  # of a hash as logs, cards and tables show it


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal, as ``sha256sum`` prints it."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def file_hash(path: str | Path) -> str:
    """The first 12 digits of a file's SHA-256."""
    return sha256(path)[:DIGITS]
