"""Reading still images: samples as stored, with depth, grey or colour, alpha, ICC profile and EXIF."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ssiu_arch.utils.image_files import BadImage, check_png

Samples = NDArray[Any]  # uint8 or uint16

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
ORIENTATION, PLANES = 274, 284  # tags
DIRECTORIES = (34665, 34853)  # of EXIF, within the main one: Exif (exposure), GPS
INTEROPERABILITY = 40965  # a directory without content of its own
OF_THE_FILE = (  # TIFF tags that say how pixels are stored; they share a directory with EXIF
    *range(254, 260), 262, 266, 273, *range(277, 280), 284, 317, *range(320, 326), 330, 332, *range(336, 342), 347,
    *range(512, 522), *range(529, 533), 700, 34377, 34675, 37724,
    280, 281, 33550, 33922, 34264, *range(34735, 34738), 42112, 42113, 50838, 50839,  # GeoTIFF, ImageJ: per pixel
)  # fmt: skip
DESCRIPTION = 270  # where tifffile and ImageJ store the shape of the array
HOW_TO_TURN = {  # EXIF orientations: transpose first, then flip vertically, then horizontally
    2: (False, False, True), 3: (False, True, True), 4: (False, True, False), 5: (True, False, False),
    6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip


@dataclass(frozen=True)
class Photo:
    """A still image.

    Attributes:
        colour: ``(H, W, 3)`` RGB or ``(H, W, 1)`` grey; uint8 or uint16, full range.
        alpha: ``(H, W, 1)`` of the same type, or None.
        icc: the ICC profile of ``colour``, or None.
        exif: descriptive tags with their values, including the orientation; those of the directories in
            ``DIRECTORIES`` as dicts of their own.
        format: Pillow's name of the file format.
    """

    colour: Samples
    alpha: Samples | None
    icc: bytes | None
    exif: dict[int, Any]
    format: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.colour.shape[0], self.colour.shape[1]

    def upright(self) -> "Photo":
        """The same image with its pixels as a viewer shows them, orientation 1."""
        orientation = self.exif.get(ORIENTATION, 1)
        if orientation not in HOW_TO_TURN:
            return self
        alpha = None if self.alpha is None else turned(self.alpha, orientation)
        return replace(self, colour=turned(self.colour, orientation), alpha=alpha, exif={**self.exif, ORIENTATION: 1})


def turned(samples: Samples, orientation: int) -> Samples:
    """``(H, W, C)`` rotated and flipped as an EXIF orientation says, 1 to 8."""
    transpose, vertical, horizontal = HOW_TO_TURN.get(orientation, (False, False, False))
    seen = samples.transpose(1, 0, 2) if transpose else samples
    return np.ascontiguousarray(seen[:: -1 if vertical else 1, :: -1 if horizontal else 1])


def _descriptive(exif: Image.Exif) -> dict[int, Any]:
    """The tags of ``Photo.exif``, without those that Pillow can read but not write."""
    tags: dict[int, Any] = {tag: value for tag, value in exif.items() if tag not in OF_THE_FILE}
    if str(tags.get(DESCRIPTION, "")).startswith(('{"shape"', "ImageJ=")):
        del tags[DESCRIPTION]
    for directory in DIRECTORIES:
        given = exif.get(directory)  # a dict if set by a program, else its offset in the file
        details = given if isinstance(given, dict) else exif.get_ifd(directory)
        tags[directory] = {tag: value for tag, value in details.items() if _is_writable(tag, value)}
    return {tag: value for tag, value in tags.items() if value != {} and _is_writable(tag, value)}


def _is_writable(tag: int, value: Any) -> bool:
    one = Image.Exif()
    one[tag] = value
    try:
        one.tobytes()
    except (struct.error, TypeError, ValueError, KeyError, AttributeError, ArithmeticError):
        return False
    return tag != INTEROPERABILITY


def photo_size(path: Path) -> tuple[int, int]:
    """Height and width, from the file's header.

    Raises:
        BadImage: the file cannot be read, or is not an image.
    """
    with _opened(path) as image:
        return image.height, image.width


def read_photo(path: Path) -> Photo:
    """The image in ``path`` as stored; a TIFF as a viewer shows it, since Pillow rotates those.

    Raises:
        BadImage: the file cannot be read, is damaged, empty, not an image, or of an unsupported kind: several frames,
            CMYK, Lab, floating point, 32 bits.
    """
    with _opened(path) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":  # a camera's JPEG with previews behind it
            raise BadImage(f"{path}: has {frames} frames; export them as single images first")
        if image.format == "PNG":
            check_png(path.read_bytes(), str(path))
        depth = _depth(image, path)
        if depth < 8 and isinstance(image.info.get("transparency"), int) and image.mode in ("1", "L"):
            image.info["transparency"] *= 255 // (2**depth - 1)  # Pillow scales samples, not this
        return _of_16_bit(image, path) if depth == 16 else from_pillow(image, path)


def from_pillow(image: Image.Image, name: str | Path = "image") -> Photo:
    """A Pillow image of 8 bits or fewer as ``Photo``.

    Raises:
        BadImage: its mode is not supported, or it is damaged.
    """
    image.load()  # rotates a TIFF
    mode = image.mode
    if image.has_transparency_data and mode in ("1", "L", "P", "RGB"):
        mode = "LA" if mode in ("1", "L") else "RGBA"
    mode = {"1": "L", "P": "RGB", "PA": "RGBA", "RGBX": "RGB", "La": "LA", "RGBa": "RGBA"}.get(mode, mode)
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise BadImage(f"{name}: has Pillow's mode {mode}; export it as grey or RGB with 8 or 16 bit")
    samples = np.asarray(image.convert(mode) if mode != image.mode else image)
    samples = samples[:, :, None] if samples.ndim == 2 else samples
    return _photo(samples, mode.endswith("A"), image)


def _photo(samples: Samples, has_alpha: bool, image: Image.Image) -> Photo:
    colours = samples.shape[2] - has_alpha
    alpha = samples[:, :, colours:] if has_alpha else None
    icc, exif = image.info.get("icc_profile"), _descriptive(image.getexif())
    if image.format == "TIFF":  # rotated already
        exif.pop(ORIENTATION, None)
    form = "JPEG" if image.format == "MPO" else image.format or ""
    return Photo(samples[:, :, :colours], alpha, icc or None, exif, form)


def opencv(name: object) -> Any:
    """OpenCV, imported only where an image has 16 bits: Pillow neither reads nor writes such colours.

    Raises:
        BadImage: It is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise BadImage(f"{name}: has 16-bit samples, which need OpenCV: pip install opencv-python") from error
    return cv2


def _of_16_bit(image: Image.Image, path: Path) -> Photo:
    """A 16-bit image: its samples decoded by OpenCV, its profile and EXIF read by Pillow.

    The two libraries see the same file differently; what is put right here:

        orientation   OpenCV turns TIFFs, in some versions wrongly: it gets the file with orientation 1
        planes        OpenCV reads separate planes as interleaved channels: refused
        BGR           becomes RGB; grey with alpha, which OpenCV decodes as BGRA, becomes two channels
        white is 0    becomes black is 0
        alpha         multiplied into the colours (TIFF's "associated") is divided out
    """
    cv2 = opencv(path)
    data: bytes = path.read_bytes()
    tags: dict[int, Any] = {}
    if image.format == "TIFF":
        data, tags = _not_turned(data), dict(image.tag_v2)  # type: ignore[attr-defined]
    if tags.get(PLANES, 1) != 1 and tags.get(277, 1) > 1:
        raise BadImage(f"{path}: has 16 bit in separate planes; export it with interleaved channels")
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        samples: Samples | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise BadImage(f"{path}: is damaged ({error.err})") from error
    finally:
        cv2.utils.logging.setLogLevel(level)
    if samples is None:
        raise BadImage(f"{path}: is damaged, or of a 16-bit kind that OpenCV does not read; export it again")
    if samples.dtype != np.uint16:
        raise BadImage(f"{path}: has samples of type {samples.dtype}; export it with 8 or 16 bit")
    samples = turned(samples[:, :, None] if samples.ndim == 2 else samples, tags.get(ORIENTATION, 1))
    has_alpha = image.mode in ("LA", "RGBA") or "transparency" in image.info
    colour = samples[:, :, :3][:, :, ::-1] if samples.shape[2] > 2 else samples[:, :, :1]
    if image.mode.startswith(("I", "L")) or (image.format == "PNG" and _png_header(path)[25] == 4):
        colour = colour[:, :, :1]  # grey and alpha, which Pillow opens as RGBA
    if has_alpha and samples.shape[2] not in (2, 4):
        raise BadImage(f"{path}: has one transparent colour at 16 bit; export it with an alpha channel")
    if tags.get(262) == 0:
        colour = 65535 - colour  # white is zero
    if has_alpha and tags.get(338) == (1,):
        colour = _divided(colour, samples[:, :, -1:])
    stored = np.concatenate([colour, samples[:, :, -1:]], axis=2) if has_alpha else np.ascontiguousarray(colour)
    return _photo(stored, has_alpha, image)


def _divided(colour: Samples, alpha: Samples) -> Samples:
    """16-bit colours with alpha divided out."""
    straight = colour.astype(np.float64) * 65535 / np.maximum(alpha, 1)
    return np.minimum(straight + 0.5, 65535).astype(np.uint16)


def _depth(image: Image.Image, path: Path) -> int:
    """Bits per sample, which Pillow's modes do not show for 16-bit colours."""
    if image.format == "PNG":
        return _png_header(path)[24]
    if image.format == "TIFF":
        bits, kinds = image.tag_v2.get(258, (1,)), image.tag_v2.get(339, (1,))  # type: ignore[attr-defined]
        if max(kinds) > 1 or max(bits) > 16:
            raise BadImage(f"{path}: has floating-point, signed or 32-bit samples; export it with 8 or 16 bit")
        if max(bits) == 16 and image.mode in ("CMYK", "LAB"):
            raise BadImage(f"{path}: has Pillow's mode {image.mode}; export it as grey or RGB with 8 or 16 bit")
        return max(bits)
    return 8


def _not_turned(data: bytes) -> bytes:
    """A TIFF file with its orientation set to 1, in place: OpenCV would rotate its pixels, in some versions wrongly."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(f"{order}H", data, 2) == (43,)  # BigTIFF
    offset, number, entry_size = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    (start,) = struct.unpack_from(f"{order}{offset}", data, 8 if is_big else 4)
    (count,) = struct.unpack_from(f"{order}{number}", data, start)
    first = start + struct.calcsize(number)
    for entry in range(first, first + entry_size * count, entry_size):
        if struct.unpack_from(f"{order}H", data, entry) == (ORIENTATION,):
            value = entry + (12 if is_big else 8)
            return data[:value] + struct.pack(f"{order}H", 1) + data[value + 2 :]
    return data


def _png_header(path: Path) -> bytes:
    """The first 26 bytes; the last two are bit depth and colour type (4: grey with alpha)."""
    with path.open("rb") as file:
        return file.read(26)


def _of_any_size(file: BinaryIO) -> Image.Image:
    """The image in a file, not yet decoded, of any number of pixels: results may exceed Pillow's limit.

    It gets an open file, since with a path Pillow maps uncompressed TIFFs into memory and scrambles rotated ones.
    """
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        return Image.open(file)
    finally:
        Image.MAX_IMAGE_PIXELS = most


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """``path`` opened by Pillow; every error while it is read becomes a ``BadImage``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged EXIF
            with path.open("rb") as file, _of_any_size(file) as image:
                if image.format not in ("MPO", *FORMATS.values()):
                    raise BadImage(f"{path}: is {image.format}; convert it to PNG, JPEG, WebP, TIFF or BMP first")
                yield image
    except UnidentifiedImageError:
        size = path.stat().st_size
        wrong = "is empty (0 bytes)" if size == 0 else f"is damaged, or not an image ({size} bytes)"
        raise BadImage(f"{path}: {wrong}; fetch or export it again") from None
    except OSError as error:
        raise BadImage(f"{path}: cannot be read ({error.strerror or error})") from error
    except (SyntaxError, ValueError, IndexError, KeyError, TypeError, struct.error, EOFError, OverflowError) as error:
        raise BadImage(f"{path}: is damaged ({error}); fetch or export it again") from error
