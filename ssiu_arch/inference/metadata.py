"""What image files say beside their pixels, taken out and put in by chunk and segment, byte for byte.

Decoders get a file of nothing but pixels, so that no metadata decides whether an image can be read.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ssiu_arch.inference import exif as tags
from ssiu_arch.utils.image_files import PNG_SIGNATURE, BadImage, png_chunks

LARGEST_TEXT = 2**20  # bytes that Pillow and others inflate of one chunk of text, or of a profile in a PNG
LARGEST_PROFILE = 2**26  # bytes that are read of a profile in a PNG; 64 MiB
EXIF, XMP, ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"  # how their JPEG segments start
XMP_KEYWORD = b"XML:com.adobe.xmp\0"
SEGMENT = 65_533  # most bytes of a JPEG segment
OF_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")  # PNG chunks
OF_FRAMES = (b"acTL", b"fcTL", b"fdAT")  # of an animated PNG
LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9, b"tIME": 7}  # of PNG chunks that are carried
LABELS = {b"tEXt": "text", b"zTXt": "text", b"iTXt": "text", b"COM": "comment", b"APP13": "IPTC"}
ELSEWHERE = (b"iCCP", b"pHYs", b"APP0")  # chunks and segments whose content is also in ``icc`` and ``dpi``


@dataclass
class Metadata:
    """Metadata of an image, each part as its file has it."""

    exif: bytes = b""  # from its byte order on
    icc: bytes = b""  # the ICC profile
    xmp: bytes = b""  # the packet
    dpi: tuple[float, float] | None = None  # pixels per inch, horizontal and vertical
    own: list[tuple[bytes, bytes]] = field(default_factory=list)  # chunks of a PNG; APPn and COM segments of a JPEG
    dropped: list[str] = field(default_factory=list)  # names of parts that could not be read or kept

    @property
    def orientation(self) -> int:
        """The EXIF orientation; where it has none, that of XMP; 1 to 8."""
        found = re.search(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])", self.xmp)
        value = tags.orientation(self.exif) or int(found[1] if found else 1)
        return value if value in range(1, 9) else 1

    def upright(self) -> "Metadata":
        """The same, of an image that has been turned: orientation 1."""
        return self._with({tags.ORIENTATION: 1}, {b"tiff:Orientation": 1})

    def of_size(self, height: int, width: int) -> "Metadata":
        """The same, of an image of another size: sizes that are told are corrected, the thumbnail goes."""
        in_exif = {256: width, 257: height, 40962: width, 40963: height}
        names = (b"tiff:ImageWidth", b"tiff:ImageLength", b"exif:PixelXDimension", b"exif:PixelYDimension")
        return self._with(in_exif, dict(zip(names, in_exif.values(), strict=True)))

    def _with(self, in_exif: dict[int, int], in_xmp: dict[bytes, int]) -> "Metadata":
        xmp = self.xmp
        for name, value in in_xmp.items():
            xmp = re.sub(rb"(%s(?:=[\"']|>)\s*)\d+" % name, rb"\g<1>%d" % value, xmp)
        return replace(self, exif=tags.with_tags(self.exif, in_exif), xmp=xmp)

    def fitting(self, *, is_grey: bool) -> "Metadata":
        """The same without EXIF that is damaged, and without a profile that is for other pixels."""
        exif, icc, dropped = self.exif, self.icc, list(self.dropped)
        if exif and not tags.is_whole(exif):
            exif = b""
            dropped.append("damaged EXIF")
        if icc[16:20] in {b"GRAY", b"RGB ", b"CMYK", b"Lab "} - {b"GRAY" if is_grey else b"RGB "}:
            kind, pixels = icc[16:20].decode().strip(), "grey" if is_grey else "RGB"
            icc = b""
            dropped.append(f"a {kind} profile, which does not fit {pixels} pixels")
        return replace(self, exif=exif, icc=icc, dropped=dropped)

    def labels(self) -> list[str]:
        """Names of ``own`` for people."""
        return [_label(kind) for kind, _ in self.own if kind not in ELSEWHERE]


def _label(kind: bytes) -> str:
    return LABELS.get(kind, kind.decode("latin-1"))


# PNG: length, kind, content, CRC of each chunk


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def from_png(data: bytes, name: str) -> tuple[bytes, Metadata, bytes]:
    """A PNG file of the pixels alone, its metadata, and its transparent colour (tRNS), if it has no palette.

    Damaged metadata is dropped; for all other damage, and for several frames, it raises ``BadImage``.
    """
    pixels, meta, transparent = [PNG_SIGNATURE], Metadata(), b""
    of_pixels = (*OF_PIXELS, b"tRNS") if data[25] == 3 else OF_PIXELS
    for kind, content, is_intact in png_chunks(data, name):
        if kind in OF_PIXELS and not is_intact:
            raise BadImage(f"{name}: is damaged (wrong checksum of {kind.decode()}); fetch it again")
        frames = int.from_bytes(content[:4], "big")
        if kind == b"acTL" and frames > 1:
            raise BadImage(f"{name}: has {frames} frames; export them as single images first")
        try:
            if not is_intact:
                raise ValueError("wrong checksum")
            if kind in of_pixels:
                pixels.append(chunk(kind, content))
            elif kind == b"tRNS":
                transparent = content
            elif kind not in OF_FRAMES:
                _from_chunk(kind, content, meta)
        except (zlib.error, ValueError, IndexError):
            meta.dropped.append(f"{kind.decode('latin-1')} (damaged or too large)")
    return b"".join(pixels), meta, transparent


def _from_chunk(kind: bytes, content: bytes, meta: Metadata) -> None:
    """Put one chunk where it belongs; ``ValueError``, ``IndexError`` and ``zlib.error``: it is damaged."""
    if kind == b"eXIf":
        meta.exif = content.removeprefix(EXIF)
    elif kind == b"iTXt" and content.startswith(XMP_KEYWORD):
        meta.xmp = _text(kind, content)
    elif kind[3:].islower() or kind in LENGTHS or kind == b"iCCP":  # lower case: holds for changed pixels, too
        if kind == b"iCCP":
            meta.icc = _inflated(content[content.index(b"\0") + 2 :], LARGEST_PROFILE)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            _text(kind, content)  # is whole
        elif len(content) != LENGTHS.get(kind, len(content)):
            raise ValueError("wrong length")
        elif kind == b"pHYs" and content[8] == 1:  # pixels per metre
            x, y = struct.unpack(">II", content[:8])
            meta.dpi = x * 0.0254, y * 0.0254
        meta.own.append((kind, content))
    else:
        meta.dropped.append(_label(kind))


def _text(kind: bytes, content: bytes) -> bytes:
    """The text of a chunk."""
    rest = content[content.index(b"\0") + 1 :]
    is_deflated, text = kind == b"zTXt", rest[1:]
    if kind == b"iTXt":
        is_deflated, text = rest[0] != 0, rest[2:].split(b"\0", 2)[2]  # behind language and translated keyword
    if is_deflated and rest[kind == b"iTXt"] != 0:
        raise ValueError("unknown compression")
    return _inflated(text, LARGEST_TEXT) if is_deflated else text


def _inflated(data: bytes, most: int) -> bytes:
    """Raises ``ValueError`` beyond ``most`` bytes, or where the data end early."""
    stream = zlib.decompressobj()
    found = stream.decompress(data, most)
    if not stream.eof:
        raise ValueError("too large, or incomplete")
    return found


def into_png(data: bytes, meta: Metadata) -> tuple[bytes, list[str]]:
    """A PNG file with metadata behind its header, and the names of what a PNG does not hold."""
    chunks, dropped, own = [], [], dict(meta.own)
    if len(meta.icc) > LARGEST_TEXT:
        dropped.append("a profile above 1 MiB")
    elif meta.icc:
        chunks.append(chunk(b"iCCP", own.get(b"iCCP", b"ICC Profile\0\0" + zlib.compress(meta.icc))))
    if meta.dpi and b"pHYs" not in own:
        chunks.append(chunk(b"pHYs", struct.pack(">IIB", *(round(dots / 0.0254) for dots in meta.dpi), 1)))
    for kind, content in meta.own:
        if kind == b"COM":
            chunks.append(chunk(b"tEXt", b"Comment\0" + content.replace(b"\0", b"")))
        elif kind.startswith(b"APP"):
            dropped += [_label(kind)] if kind not in ELSEWHERE else []
        elif kind != b"iCCP":
            chunks.append(chunk(kind, content))
    chunks += [chunk(b"eXIf", meta.exif)] if meta.exif else []
    chunks += [chunk(b"iTXt", XMP_KEYWORD + bytes(4) + meta.xmp)] if meta.xmp else []
    return b"".join([data[:33], *chunks, data[33:]]), dropped  # 33: signature and header


# JPEG: 0xFF, marker, length, content of each segment


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Markers of a JPEG's segments up to its samples, each with start and end of its content."""
    at, marker = 2, 0
    while marker != 0xDA:  # the samples follow
        at = data.find(b"\xff", at)  # libjpeg, too, searches on where segments are damaged
        if not 0 <= at <= len(data) - 4:
            raise ValueError("no samples")
        marker = data[at + 1]
        if marker in (0, 1, 0xFF) or 0xD0 <= marker <= 0xD9:  # filling, or without content
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, at + 4, end
        at = end


def from_jpeg(data: bytes) -> tuple[bytes, Metadata]:
    """A JPEG file of the pixels alone, and its metadata; ``ValueError`` if it ends before its samples."""
    pixels, meta, count = [data[:2]], Metadata(), 0
    profile: dict[int, bytes] = {}
    for marker, start, end in _segments(data):
        content = data[start:end]
        if marker == 0xDA:
            pixels.append(data[start - 4 :])
        elif not (0xE0 <= marker <= 0xEF or marker == 0xFE) or (marker == 0xEE and content.startswith(b"Adobe")):
            pixels.append(data[start - 4 : end])
        elif marker == 0xE0:
            if content.startswith(b"JFIF\0") and len(content) >= 14:  # without the thumbnail
                pixels.append(b"\xff\xe0\0\x10" + content[:12] + bytes(2))
                meta.own.append((b"APP0", content[:12] + bytes(2)))
        elif marker == 0xE1 and content.startswith(EXIF) and not meta.exif:
            meta.exif = content[len(EXIF) :]
        elif marker == 0xE1 and content.startswith(XMP) and not meta.xmp:
            meta.xmp = content[len(XMP) :]
        elif marker == 0xE2 and content.startswith(ICC) and len(content) > 14:
            profile[content[12]], count = content[14:], content[13]
        elif (marker == 0xE2 and content.startswith(b"MPF\0")) or (marker == 0xEB and content.startswith(b"JP")):
            meta.dropped.append("further images" if marker == 0xE2 else "content credentials")
        else:
            meta.own.append((b"COM" if marker == 0xFE else b"APP%d" % (marker - 0xE0), content))
    if sorted(profile) == list(range(1, count + 1)):
        meta.icc = b"".join(profile[n] for n in sorted(profile))
    else:
        meta.dropped.append("an incomplete profile")
    return b"".join(pixels), meta


def into_jpeg(data: bytes, meta: Metadata) -> tuple[bytes, list[str]]:
    """A JPEG file with metadata behind its first segment, JFIF's, and the names of what a JPEG does not hold."""
    found = [(b"EXIF", EXIF + meta.exif)] if meta.exif else []
    found += [(b"XMP", XMP + meta.xmp)] if meta.xmp else []
    room = SEGMENT - len(ICC) - 2
    profile = [meta.icc[at : at + room] for at in range(0, len(meta.icc), room)]
    dropped = ["a profile above 16 MiB"] if len(profile) > 255 else []
    found += [(b"APP2", ICC + bytes([n, len(profile)]) + part) for n, part in enumerate(profile, 1) if not dropped]
    first = 4 + int.from_bytes(data[4:6], "big")
    head, written = data[:first], b""
    for kind, content in [*found, *meta.own]:
        if kind == b"APP0":
            head = data[:4] + b"\0\x10" + content
        elif kind not in (b"EXIF", b"XMP", b"COM") and not kind.startswith(b"APP"):
            dropped += [_label(kind)] if kind not in ELSEWHERE else []
        elif len(content) > SEGMENT:
            dropped.append(f"{_label(kind)} above 64 KiB")
        else:
            marker = 0xFE if kind == b"COM" else 0xE0 + int(kind[3:]) if kind.startswith(b"APP") else 0xE1
            written += bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
    return head + written + data[first:], dropped
