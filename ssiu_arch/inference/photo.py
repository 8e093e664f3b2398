"""Reading still images: samples as stored, with depth, grey or colour, alpha and metadata."""

import stat
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ssiu_arch.inference import exif as tags
from ssiu_arch.inference.metadata import EXIF, Metadata, from_jpeg, from_png
from ssiu_arch.utils.errors import printable
from ssiu_arch.utils.extras import require
from ssiu_arch.utils.image_files import PNG_SIGNATURE, BadImage

Samples = NDArray[Any]  # uint8 or uint16

FORMATS = {  # that are read and written: Pillow's names
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".webp": "WEBP", ".tif": "TIFF",
    ".tiff": "TIFF", ".bmp": "BMP", ".avif": "AVIF",
}  # fmt: skip
READ_ONLY = {".gif": ".png", ".heic": ".jpg", ".heif": ".jpg", ".hif": ".jpg"}  # with the endings of their results
CONVERTED = {  # Pillow's modes, and the modes to which they are converted
    "1": "L", "P": "RGB", "PA": "RGBA", "RGBX": "RGB", "La": "LA", "RGBa": "RGBA", "YCbCr": "RGB", "HSV": "RGB",
    "CMYK": "RGB",
}  # fmt: skip


@dataclass(frozen=True)
class Photo:
    """A still image: samples ``(H, W, C)`` as stored, in full range: grey, grey and alpha, RGB, or RGB and alpha."""

    samples: Samples
    meta: Metadata
    format: str  # Pillow's name of the file's

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.samples.shape[0], self.samples.shape[1]

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.samples.shape[2] in (2, 4)

    def upright(self) -> "Photo":
        """The same image with its pixels as a viewer shows them, orientation 1."""
        orientation, seen = self.meta.orientation, self.samples
        if orientation == 1:
            return self
        if orientation > 4:
            seen = seen.transpose(1, 0, 2)
        if orientation in (3, 4, 7, 8):
            seen = seen[::-1]
        if orientation in (2, 3, 6, 7):
            seen = seen[:, ::-1]
        return replace(self, samples=np.ascontiguousarray(seen), meta=self.meta.upright())


def photo_size(path: Path) -> tuple[int, int]:
    """Height and width as stored, from the file's header where that is enough; errors as of ``read_photo``."""
    with _reading(path):
        try:
            with path.open("rb") as file, _opened(file, printable(path)) as image:
                return image.height, image.width
        except BadImage:
            raise
        except Exception:
            return _decoded(path).size  # Pillow reads metadata here, and they may be damaged


def read_photo(path: Path) -> Photo:
    """The image in ``path`` as stored, of the kind that its content says, whatever its name.

    Raises:
        BadImage: the file cannot be read, is damaged, empty, not an image, or of an unsupported kind: several frames,
            Lab, floating point, 32 bits.
    """
    with _reading(path):
        return _decoded(path)


def _decoded(path: Path) -> Photo:
    data, name = path.read_bytes(), printable(path)
    meta, transparent = None, b""
    if data.startswith(PNG_SIGNATURE) and len(data) > 33:
        data, meta, transparent = from_png(data, name)
        if data[24] == 16:
            samples = _by_opencv(data, name, is_grey=data[25] in (0, 4), has_alpha=data[25] in (4, 6))
            return _with_transparent(Photo(samples, meta, "PNG"), transparent, 16)
    elif data.startswith(b"\xff\xd8"):
        data, meta = from_jpeg(data)
    elif data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _of_tiff(tags.Directories(data), name)
    try:
        photo = _of_one_frame(data, name, meta)
    except (UnidentifiedImageError, ValueError):
        if data[4:11] != b"ftypavi":
            raise
        photo = _of_one_frame(data.replace(b"Exif", b"free", 1), name, meta)  # Pillow parses an AVIF's EXIF
        photo.meta.dropped.append("damaged EXIF")
    return _with_transparent(photo, transparent, data[24]) if transparent else photo


def _of_one_frame(data: bytes, name: str, meta: Metadata | None) -> Photo:
    with _opened(BytesIO(data), name) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format not in ("MPO", "HEIF"):  # a camera's, with previews behind it
            raise BadImage(f"{name}: has {frames} frames; export them as single images first")
        return from_pillow(image, name, meta)


def _with_transparent(photo: Photo, transparent: bytes, depth: int) -> Photo:
    """``photo`` with the alpha of a PNG's tRNS chunk, which names one colour, or one value of grey, as transparent."""
    samples = photo.samples
    if len(transparent) != 2 * samples.shape[2]:
        return photo
    scale = 255 // (2**depth - 1) if depth < 8 else 1  # Pillow scales samples of fewer bits
    is_key = (samples == np.frombuffer(transparent, ">u2") * scale).all(2)
    alpha = np.where(is_key, 0, np.iinfo(samples.dtype).max).astype(samples.dtype)
    return replace(photo, samples=np.dstack([samples, alpha]))


def from_pillow(image: Image.Image, name: str = "image", meta: Metadata | None = None) -> Photo:
    """A Pillow image of 8 bits or fewer, or of 16-bit grey, with ``meta`` or else the metadata that Pillow has of it.

    Raises:
        BadImage: its mode is not supported, or it is damaged; the message begins with ``name``.
    """
    try:
        image.load()
    except (SyntaxError, ValueError, struct.error):
        if getattr(image, "tile", True):  # else the pixels are there, and metadata behind them is damaged
            raise
    info, mode = image.info, image.mode
    if meta is None:
        comment = info.get("comment")
        own = [(b"COM", comment)] if isinstance(comment, bytes) else []
        meta = Metadata(_exif_of(image), info.get("icc_profile") or b"", info.get("xmp") or b"", own=own)
    if image.format != "TIFF":
        meta.dpi = meta.dpi or info.get("dpi")
    form = "JPEG" if image.format == "MPO" else image.format or ""
    if mode.startswith("I;16"):
        return Photo(np.asarray(image).astype(np.uint16)[:, :, None], meta, form)
    if image.has_transparency_data and mode in ("1", "L", "P", "RGB"):
        mode = "LA" if mode in ("1", "L") else "RGBA"
    mode = CONVERTED.get(mode, mode)
    if mode not in ("L", "LA", "RGB", "RGBA"):
        kind = {"F": "float samples", "I": "32-bit samples"}.get(mode, f"Pillow's mode {mode}")
        raise BadImage(f"{name}: has {kind}, not read; export it as grey or RGB with 8 or 16 bit")
    if image.mode == "CMYK" and meta.icc:
        image = _from_cmyk(image, meta.icc)
        meta = replace(meta, icc=b"", dropped=[*meta.dropped, "the CMYK profile, by which it became sRGB"])
    samples = np.asarray(image if mode == image.mode else image.convert(mode))
    return Photo(samples.reshape(image.height, image.width, -1), meta, form)


def _exif_of(image: Image.Image) -> bytes:
    """The EXIF of a Pillow image: that of its file, else what Pillow makes of it."""
    exif = image.info.get("exif")
    if not isinstance(exif, bytes):
        try:
            exif = image.getexif().tobytes() if image.getexif() else b""
        except Exception:  # Pillow raises errors of many kinds for damaged EXIF
            exif = b""
    return exif.removeprefix(EXIF)


def _from_cmyk(image: Image.Image, icc: bytes) -> Image.Image:
    """CMYK as sRGB, by its profile if that can be used."""
    from PIL import ImageCms

    try:
        seen = ImageCms.profileToProfile(image, BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImportError, OSError, ValueError, ImageCms.PyCMSError):
        seen = None
    return seen or image


def _of_tiff(found: tags.Directories, name: str) -> Photo:
    """A TIFF file; Pillow decodes up to 12 bits, OpenCV 16."""
    main = found.entries(found.first)
    read = {tag: found.numbers(main[tag]) for tag in (258, 262, 277, 284, 338, 339) if tag in main}
    bits, channels, photometric = max(read.get(258, (1,))), read.get(277, (1,))[0], read.get(262, (2,))[0]
    wrong = {2: "signed samples", 3: "float samples"}.get(max(read.get(339, (1,))))
    if wrong or bits > 16:
        raise BadImage(f"{name}: has {wrong or f'{bits}-bit samples'}, not read; export it with 8 or 16 bit")
    if (frames := _frames(found)) > 1:
        raise BadImage(f"{name}: has {frames} frames; export them as single images first")
    icc, xmp = (found.raw(main[tag]) if tag in main else b"" for tag in (tags.ICC, tags.XMP))
    dropped = list(dict.fromkeys(what for tag, what in tags.NOT_KEPT.items() if tag in main))
    colours = {0: 1, 1: 1, 2: 3}.get(photometric, channels)
    extra = read.get(338, (2,))[0] if channels > colours else None  # what is not told is alpha, as for Pillow
    if extra == 0:
        dropped.append("a channel that is not alpha")
    meta = Metadata(tags.exif_of_tiff(found), icc, xmp, tags.dpi_of_tiff(found), dropped=dropped)
    pixels = tags.pixels_of_tiff(found)
    if bits < 16:
        with _opened(BytesIO(pixels), name) as image:
            photo = from_pillow(image, name, meta)
        if photo.samples.dtype == np.uint8:
            return photo
        full = photo.samples.astype(np.uint32) * 65535 // (2**bits - 1)  # 9 to 15 bits
        return replace(photo, samples=full.astype(np.uint16))
    if photometric > 2 or (read.get(284, (1,))[0] != 1 and channels > 1):
        kind = "in separate planes" if photometric <= 2 else "of a kind that is not read (CMYK, Lab)"
        raise BadImage(f"{name}: has 16 bit {kind}; export it as grey or RGB with interleaved channels")
    samples = _by_opencv(pixels, name, is_grey=photometric < 2, has_alpha=extra in (1, 2))
    if photometric == 0:
        samples[:, :, 0] = 65535 - samples[:, :, 0]  # white is zero
    if extra == 1:
        straight = samples[:, :, :-1] * 65535.0 / np.maximum(samples[:, :, -1:], 1)  # alpha was multiplied into them
        samples[:, :, :-1] = np.minimum(straight + 0.5, 65535)
    return Photo(samples, meta, "TIFF")


def _frames(found: tags.Directories) -> int:
    """The pages of a TIFF file, without reduced copies of others."""
    count, at, seen = 0, found.first, set()
    while at and at not in seen:
        seen.add(at)
        kind = found.entries(at).get(254)
        count += not (kind and found.numbers(kind)[0] & 1)
        at = found.next(at)
    return count


def opencv(name: object) -> Any:
    """OpenCV, imported only where an image has 16 bits: Pillow neither reads nor writes such colours."""
    try:
        import cv2
    except ImportError as error:
        raise BadImage(f"{name}: has 16-bit samples, which need OpenCV: pip install opencv-python") from error
    return cv2


def _by_opencv(data: bytes, name: str, *, is_grey: bool, has_alpha: bool) -> Samples:
    """The samples of a 16-bit file of pixels alone; OpenCV decodes colours as BGR, grey with alpha as BGRA."""
    cv2 = opencv(name)
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        samples: Samples | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        samples = None
    finally:
        cv2.utils.logging.setLogLevel(level)
    samples = samples[:, :, None] if samples is not None and samples.ndim == 2 else samples
    if samples is None or samples.dtype != np.uint16 or (has_alpha and samples.shape[2] not in (2, 4)):
        raise BadImage(f"{name}: is damaged, or of a 16-bit kind that OpenCV does not read; export it again")
    channels = ([0] if is_grey else [2, 1, 0]) + ([-1] if has_alpha else [])
    return np.ascontiguousarray(samples[:, :, channels])


@contextmanager
def _opened(file: IO[bytes], name: str) -> Iterator[Image.Image]:
    """The image in a file, not yet decoded, of any number of pixels: results may exceed Pillow's limit."""
    head = file.read(12)
    file.seek(0)
    if head[4:8] == b"ftyp" and not head[8:].startswith(b"avi"):
        require("pillow_heif", "heif", f"{name}: is HEIC; reading it")
        from pillow_heif import register_heif_opener

        register_heif_opener()
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(file) as image:
            if image.format not in ("MPO", "GIF", "HEIF", *FORMATS.values()):
                raise BadImage(f"{name}: is {image.format}; convert it to PNG, JPEG, WebP, TIFF, BMP or AVIF first")
            yield image
    finally:
        Image.MAX_IMAGE_PIXELS = most


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn every error while ``path`` is read into a ``BadImage``."""
    name = printable(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
            raise BadImage(f"{name}: is {kinds.get(stat.S_IFMT(mode), 'a device')}, not an image file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Pillow tolerates
            yield
    except UnidentifiedImageError:
        size = path.stat().st_size
        wrong = "is empty (0 bytes)" if size == 0 else f"is damaged, or not an image ({size} bytes)"
        raise BadImage(f"{name}: {wrong}; fetch or export it again") from None
    except OSError as error:
        raise BadImage(f"{name}: cannot be read ({error.strerror or error})") from error
    except (SyntaxError, ValueError, TypeError, EOFError, ArithmeticError, RuntimeError, *tags.DAMAGE) as error:
        raise BadImage(f"{name}: is damaged ({error}); fetch or export it again") from error
