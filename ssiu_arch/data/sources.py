"""The source images of a set: files in a folder, or members of an archive, read without unpacking it."""

import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ssiu_arch.data.images import EXTENSIONS, BadImage, Image, decode_image, list_images
from ssiu_arch.utils.errors import UserError

LONGEST_KEY = 200  # LMDB allows 511 bytes, file systems 255, and _s001.png follows


@dataclass(frozen=True)
class Source:
    """One image file of a set; ``key`` is its name there, see ``key_of``.

    It is the file ``path`` or, in the archive ``path``, the ``member`` of that name, which begins at ``offset`` if the
    archive is a tar. ``size`` is in bytes, ``stamp`` the time of the last change of ``path`` in ns.
    """

    key: str
    path: Path
    member: str
    size: int
    stamp: int
    offset: int = -1

    @property
    def name(self) -> str:
        """The name in messages."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def identity(self) -> list[list[str | int]]:
        """Name, size and time of the image, as JSON has them: a changed image differs."""
        return [[self.name, self.size, self.stamp]]

    def read(self) -> Image:
        """The decoded image; raises ``BadImage`` like ``decode_image``, also if the file cannot be read."""
        try:
            if self.offset >= 0:
                with open(self.path, "rb") as file:
                    file.seek(self.offset)
                    data = file.read(self.size)
            elif self.member:
                with zipfile.ZipFile(self.path) as archive:
                    data = archive.read(self.member)
            else:
                data = self.path.read_bytes()
        except OSError as error:
            raise BadImage(f"{self.name}: cannot be read ({error.strerror or error})") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:  # the last: encrypted
            raise BadImage(f"{self.name}: cannot be read from the archive ({error}); download it again") from None
        return decode_image(data, self.name)


def key_of(name: str) -> str:
    """The key of an image file for BasicSR's LMDB: its name without the extension, where ``é`` becomes ``_xe9``.

    BasicSR cuts keys at the first dot and encodes them as ASCII.
    """
    stem = PurePosixPath(name).stem
    key = re.sub(r"[^A-Za-z0-9_-]", lambda match: f"_x{ord(match.group()):x}", stem)
    if len(key) > LONGEST_KEY:
        key = f"{key[: LONGEST_KEY - 9]}_{zlib.crc32(stem.encode('utf-8', 'surrogateescape')):08x}"
    return key


def from_folder(folder: Path, *, recursive: bool = False) -> list[Source]:
    """The images in ``folder``, sorted by path."""
    return [from_file(path) for path in list_images(folder, recursive=recursive)]


def from_file(path: Path) -> Source:
    """The image file ``path``; a missing file raises when it is read."""
    try:
        stat = path.stat()
        return Source(key_of(path.name), path, "", stat.st_size, stat.st_mtime_ns)
    except OSError:
        return Source(key_of(path.name), path, "", 0, 0)


def paths_below(folder: Path, depth: int) -> list[Path]:
    """All paths down to ``depth`` levels below ``folder``, sorted within each folder; without hidden ones."""
    try:
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    deeper = [path for path in inside if depth > 1 and path.is_dir() and not path.name.endswith(".lmdb")]
    return inside + [path for child in deeper for path in paths_below(child, depth - 1)]


def from_archive(path: Path) -> list[Source]:
    """The images in a zip or an uncompressed tar archive, sorted by name.

    Raises:
        UserError: the archive is incomplete, damaged or a compressed tar.
    """
    stamp = path.stat().st_mtime_ns
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                members = [(item.filename, item.file_size, -1) for item in archive.infolist() if not item.is_dir()]
        else:
            with tarfile.open(path, "r:") as archive:
                members = [(item.name, item.size, item.offset_data) for item in archive if item.isreg()]
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise UserError(
            f"{path}: is not a complete zip or uncompressed tar archive ({error}); download it again, or unpack it"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    return [
        Source(key_of(name), path, name, size, stamp, offset)
        for name, size, offset in sorted(members)
        if name.lower().endswith(EXTENSIONS) and not PurePosixPath(name).name.startswith(".")
    ]


def check_keys(sources: Iterable[Source]) -> None:
    """Raise ``UserError`` if two images have the same key."""
    seen: dict[str, Source] = {}
    for source in sources:
        other = seen.setdefault(source.key, source)
        if other is not source:
            raise UserError(f"{other.name} and {source.name}: both have the key {source.key!r}; rename or remove one")
