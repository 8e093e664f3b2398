"""Shards: the sub-images of one source image in one file, from which the LMDB is built in the end.

They make a preparation resumable: a shard is written whole or not at all, and once it is there its
image is not looked at again. The file is one line of JSON, then the PNG files one after another.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from ssiu_arch.data.sources import Source
from ssiu_arch.data.sub_images import Tile
from ssiu_arch.utils.files import write_file


def write_shard(path: Path, source: Source, tiles: list[Tile]) -> None:
    """Write ``tiles`` of ``source`` to ``path``, all or nothing."""
    header = {
        "source": _identity(source),
        "tiles": [[tile.key, tile.height, tile.width, len(tile.png)] for tile in tiles],
    }
    write_file(path, b"".join([json.dumps(header).encode(), b"\n", *(tile.png for tile in tiles)]))


def is_shard_of(path: Path, source: Source) -> bool:
    """Whether ``path`` is there and was made from ``source`` as it is now."""
    try:
        with open(path, "rb") as file:
            return bool(json.loads(file.readline())["source"] == _identity(source))
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # the others: damaged by more than a kill
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


def _identity(source: Source) -> list[object]:
    parts = [source, source.lr] if source.lr else [source]
    return [[part.name, part.size, part.stamp] for part in parts]
