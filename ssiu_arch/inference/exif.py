"""TIFF directories, the structure of EXIF and of TIFF files, read and changed in place: the rest stays byte for byte.

::

    II*\\0 | offset of the first directory | ... | count | entry | entry | ... | offset of the next directory
                                                          tag 2 B, type 2 B, count 4 B, value or its offset 4 B

All of it is little-endian (``II``) or big-endian (``MM``). BigTIFF's counts and offsets have 8 bytes.
"""

import struct
from contextlib import suppress
from typing import NamedTuple

BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 18: 8, 129: 1}
LETTERS = {1: "B", 3: "H", 4: "I", 5: "Q", 13: "I", 16: "Q", 18: "Q"}  # struct's, of types of whole numbers
EXPOSURE, GPS, INTEROPERABILITY = 34665, 34853, 40965  # tags that hold the offset of a directory
DESCRIPTION, ORIENTATION, XMP, ICC = 270, 274, 700, 34675
RESOLUTION = (282, 283, 296)  # horizontal, vertical, unit
PIXELS = (  # tags that say how the pixels of a TIFF are stored
    *range(254, 260), 262, 266, 273, *range(277, 282), 284, 292, 293, 317, *range(320, 326),
    *range(332, 343), 347, *range(512, 522), *range(529, 533),
)  # fmt: skip
NOT_KEPT = {  # tags of a TIFF that do not hold for an image of another size, or that hold other images
    330: "further images", 37724: "layers", 50838: "ImageJ's metadata", 50839: "ImageJ's metadata",
    **dict.fromkeys((33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113), "GeoTIFF's tags"),
}  # fmt: skip
DAMAGE = (struct.error, KeyError, IndexError, OverflowError, RecursionError)  # raised where a structure is broken


class Entry(NamedTuple):
    """One tag: where its entry is, its type, the number of values, where they are, and how many bytes they take."""

    at: int
    kind: int
    amount: int
    value: int
    size: int


Values = dict[int, tuple[int, int, bytes]]  # type, number of values, and their bytes, by tag


class Directories:
    """The directories in ``data``. Methods raise one of ``DAMAGE`` where ``data`` does not hold together."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data
        self.order = {b"II": "<", b"MM": ">"}[bytes(data[:2])]
        self.is_big = self._number("H", 2) == 43
        self.offset, self.count, self.entry = ("Q", "Q", 20) if self.is_big else ("I", "H", 12)
        self.first = self._number(self.offset, 8 if self.is_big else 4)

    def _number(self, letter: str, at: int) -> int:
        return int(struct.unpack_from(self.order + letter, self.data, at)[0])

    def end(self, at: int) -> int:
        """Where the directory at ``at`` has the offset of the next one."""
        return at + struct.calcsize(self.count) + self.entry * self._number(self.count, at)

    def next(self, at: int) -> int:
        """The place of the directory after the one at ``at``; 0: there is none."""
        return self._number(self.offset, self.end(at))

    def entries(self, at: int) -> dict[int, Entry]:
        """The tags of the directory at ``at``, without those that point out of ``data``."""
        found = {}
        width = struct.calcsize(self.offset)
        for place in range(at + struct.calcsize(self.count), min(self.end(at), len(self.data)), self.entry):
            tag, kind = self._number("H", place), self._number("H", place + 2)
            count = self._number(self.offset, place + 4)
            size, inline = BYTES.get(kind, 0) * count, place + 4 + width
            value = inline if size <= width else self._number(self.offset, inline)
            if size and value + size <= len(self.data):
                found[tag] = Entry(place, kind, count, value, size)
        return found

    def numbers(self, entry: Entry) -> tuple[int, ...]:
        """The whole numbers of ``entry``."""
        return struct.unpack_from(f"{self.order}{entry.amount}{LETTERS[entry.kind]}", self.data, entry.value)

    def raw(self, entry: Entry) -> bytes:
        """The bytes of the values of ``entry``."""
        return bytes(self.data[entry.value : entry.value + entry.size])


def is_whole(exif: bytes) -> bool:
    """Whether ``exif`` begins as EXIF does and has its first directory."""
    try:
        found = Directories(exif)
        return exif[2:4] in (b"*\0", b"\0*") and found.end(found.first) <= len(exif)
    except DAMAGE:
        return False


def orientation(exif: bytes) -> int:
    """The orientation in ``exif``; 0: it has none."""
    try:
        found = Directories(exif)
        return found.numbers(found.entries(found.first)[ORIENTATION])[0]
    except DAMAGE:
        return 0


def with_tags(exif: bytes, values: dict[int, int]) -> bytes:
    """``exif`` with those of ``values`` that it has set in place, and without the link to its thumbnail.

    Nothing moves. Offsets count from the start of the EXIF, also those inside maker notes, which nobody can correct:
    each maker has a format of its own. So a value is overwritten where its entry stands, in the entry's own byte order.
    """
    block = bytearray(exif)
    with suppress(*DAMAGE):  # what cannot be followed stays as it is
        found = Directories(block)
        main = found.entries(found.first)
        directories = [main]
        with suppress(*DAMAGE):
            directories.append(found.entries(found.numbers(main[EXPOSURE])[0]))
        for directory in directories:
            for tag in values.keys() & directory.keys():
                entry, value = directory[tag], values[tag]
                kind = 3 if entry.kind == 3 and value < 2**16 else 4
                struct.pack_into(f"{found.order}HI4s", block, entry.at + 2, kind, 1, bytes(4))
                struct.pack_into(found.order + LETTERS[kind], block, entry.at + 8, value)
        struct.pack_into(found.order + "I", block, found.end(found.first), 0)
    return bytes(block)


def without_orientation(exif: bytes) -> bytes:
    """``exif`` without that tag: the entries after it move up by one."""
    try:
        found = Directories(exif)
        entry, end = found.entries(found.first)[ORIENTATION], found.end(found.first)
        count = struct.pack(found.order + "H", (end - found.first - 2) // 12 - 1)
    except DAMAGE:
        return exif
    moved = exif[entry.at + 12 : end + 4] + bytes(12)
    return exif[: found.first] + count + exif[found.first + 2 : entry.at] + moved + exif[end + 4 :]


def write_directory(block: bytearray, order: str, values: Values) -> int:
    """Append a directory of ``values`` to ``block``, behind those of more than 4 bytes; the directory's place."""
    rows = []
    for tag, (kind, count, content) in sorted(values.items()):
        if len(content) > 4:
            at = len(block)
            block += content + bytes(len(content) % 2)
            content = struct.pack(order + "I", at)
        rows.append(struct.pack(order + "HHI4s", tag, kind, count, content))
    block += struct.pack(order + "H", len(rows)) + b"".join(rows) + bytes(4)
    return len(block) - 12 * len(rows) - 6


def exif_of_tiff(source: Directories) -> bytes:
    """EXIF with the descriptive tags of a TIFF file, in its byte order; empty if there are none."""
    block = bytearray(source.data[:2] + struct.pack(source.order + "HI", 42, 0))

    # A directory holds the offsets of its values and of further directories, so those are written before it: the first
    # directory comes last, and the header, written above, learns its place at the end.
    def write(entries: dict[int, Entry], depth: int) -> int:
        values = {tag: (entry.kind, entry.amount, source.raw(entry)) for tag, entry in entries.items()}
        for tag in values.keys() & {EXPOSURE, GPS, INTEROPERABILITY} if depth < 3 else ():
            further: dict[int, Entry] = {}
            with suppress(*DAMAGE):
                further = source.entries(source.numbers(entries[tag])[0])
            values[tag] = 4, 1, struct.pack(source.order + "I", write(further, depth + 1))
        return write_directory(block, source.order, values)

    kept = {
        tag: entry
        for tag, entry in source.entries(source.first).items()
        if tag not in (*PIXELS, *NOT_KEPT, XMP, ICC)
        and not (tag == DESCRIPTION and source.raw(entry).startswith((b'{"shape"', b"ImageJ=")))
    }
    struct.pack_into(source.order + "I", block, 4, write(kept, 1))
    return bytes(block) if kept else b""


def dpi_of_tiff(source: Directories) -> tuple[float, float] | None:
    """Pixels per inch, horizontal and vertical, of a TIFF file; None: it does not tell."""
    try:
        main = source.entries(source.first)
        unit = {2: 1.0, 3: 2.54}[source.numbers(main[RESOLUTION[2]])[0] if RESOLUTION[2] in main else 2]
        places = (main[tag].value for tag in RESOLUTION[:2])
        (x, below_x), (y, below_y) = (struct.unpack_from(source.order + "II", source.data, at) for at in places)
        return x / below_x * unit, y / below_y * unit
    except (*DAMAGE, ZeroDivisionError):
        return None


def pixels_of_tiff(source: Directories) -> bytes:
    """A TIFF of the same pixels whose only directory says nothing else; ``ValueError`` if it ends before its pixels."""
    main = source.entries(source.first)
    places, lengths = (273, 279) if 273 in main else (324, 325)  # of strips, of tiles
    if lengths in main:
        sizes = source.numbers(main[lengths])
        ends = map(int.__add__, source.numbers(main[places]), sizes)
        width, height = (source.numbers(main[tag])[0] for tag in (256, 257))
        is_raw = 259 not in main or source.numbers(main[259]) == (1,)
        if max(ends) > len(source.data) or (is_raw and 8 * sum(sizes) < width * height):  # 1 bit is the least
            raise ValueError(f"truncated after {len(source.data)} bytes")
    rows = [source.data[entry.at : entry.at + source.entry] for tag, entry in sorted(main.items()) if tag in PIXELS]
    data = bytearray(source.data + bytes(len(source.data) % 2))
    struct.pack_into(source.order + source.offset, data, 8 if source.is_big else 4, len(data))
    return bytes(data + struct.pack(source.order + source.count, len(rows)) + b"".join(rows) + bytes(8))
