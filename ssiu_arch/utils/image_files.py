"""Which files are images, and whether a PNG file is whole. Without OpenCV, whose import takes time."""

import zlib
from collections.abc import Iterator
from pathlib import Path

from ssiu_arch.utils.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class BadImage(UserError):
    """An image file that cannot be used; the message begins with its name."""


def png_chunks(data: bytes, name: str) -> Iterator[tuple[bytes, bytes, bool]]:
    """Kind, content and whether the checksum is right, of each chunk of a PNG file; ``BadImage`` if it ends early."""
    at, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise BadImage(f"{name}: is truncated after {len(data)} bytes; fetch it again")
        is_intact = zlib.crc32(memoryview(data)[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
        yield kind, data[at + 8 : end - 4], is_intact
        at = end


def check_png(data: bytes, name: str) -> None:
    """Raise ``BadImage`` for a PNG file that ends early or has wrong checksums, which some decoders accept."""
    for kind, _, is_intact in png_chunks(data, name):
        if not is_intact:
            raise BadImage(f"{name}: is damaged (wrong checksum of {kind.decode('latin-1')}); fetch it again")


def require_folder(path: Path) -> None:
    """Raise ``UserError`` if ``path`` is not a folder; of an archive it says to unpack it."""
    if path.is_file() and path.name.lower().endswith((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")):
        raise UserError(f"{path}: is an archive; unpack it, and give the folder")
    if not path.is_dir():
        raise UserError(f"{path}: is no folder" if path.exists() else f"{path}: there is no such folder")


def list_images(folder: Path, *, recursive: bool = False) -> list[Path]:
    """The image files in ``folder`` by their ``EXTENSIONS``, sorted; without hidden ones, with dead links."""
    require_folder(folder)
    try:
        found = sorted(folder.rglob("*") if recursive else folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    visible = (path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    named = [path for path in visible if path.suffix.lower() in EXTENSIONS]
    return [path for path in named if path.is_file() or (path.is_symlink() and not path.is_dir())]
