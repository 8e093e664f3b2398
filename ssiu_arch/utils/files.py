"""Atomic writes, locks, checksums and sizes of files."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssiu_arch.utils.errors import UserError


def size_text(size: float) -> str:
    """A number of bytes with its unit, in powers of 1000: ``5.94 MB``, ``31 GB``."""
    units = ["TB", "GB", "MB", "kB", "bytes"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop()
    return f"{size:.3g} {units[-1]}"


def write_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically: after ``kill -9`` or a power cut the file is complete or unchanged.

    Raises:
        UserError: If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")  # always the same, so the next write replaces one left by a kill
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError while writing ``path`` into a one-line error.

    Raises:
        UserError: Instead of any OSError.
    """
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


def sync_folder(folder: Path) -> None:
    """Flush the names in ``folder`` to the disk, on systems that can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically; see ``write_file``."""
    write_file(path, (json.dumps(value, indent=1) + "\n").encode())


def read_json(path: Path) -> Any:
    """The contents of a JSON file that this package wrote, or None if it does not exist.

    Raises:
        UserError: If the file exists and cannot be read.
    """
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
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, so that two runs never prepare the same set at once.

    The lock ends with the process, however that ends.

    Raises:
        UserError: If another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such lock: not checked
        yield
        return
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "w")  # noqa: SIM115 (held until the end of the block)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{path.parent}: another run is preparing this set; wait until it has finished") from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


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
