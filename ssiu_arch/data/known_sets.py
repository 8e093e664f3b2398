"""The published benchmark sets: names, sizes and digests of their images.

Digests are of decoded pixels, so that another compression of the same picture counts as the same. They belong to the
files of EDSR's archive, and to the 109 PNG files of Manga109.
"""

import csv
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS = 10  # of the digest of an image in the table
FILE = Path(__file__).with_name("known_images.csv")


class KnownImage(NamedTuple):
    """A published HR image: size, digests, and what tells a slightly changed copy from another picture.

    Attributes:
        width, height: in pixels.
        hr, core: digests of HR and of its ``core``.
        lr: digests of its LR images by scale.
        colour: means of R, G and B.
        contrast: mean difference of horizontal neighbours.
        jpeg: its ``faults.jpeg_traces``; high if it was JPEG before it was published as PNG.
    """

    width: int
    height: int
    hr: str
    core: str
    lr: dict[int, str]
    colour: tuple[float, ...]
    contrast: float
    jpeg: float


class KnownSet(NamedTuple):
    """A published set: number of images, ``set_digest`` of HR, and what else is known.

    Attributes:
        images: by file name without extension; empty for a set that is known as a whole only.
        sizes: width and height of its images, where they are few; else empty.
    """

    number: int
    digest: str
    images: dict[str, KnownImage]
    sizes: frozenset[tuple[int, int]] = frozenset()


def set_name(name: str) -> str | None:
    """The benchmark that a folder or a data set of an option file is named after; None: no benchmark."""
    bare = re.sub(r"[_-]?(hr|gt|test)$", "", name.lower())
    others = {"bsd100": "B100", "bsds100": "B100", "cbsd100": "B100", "urban": "Urban100", "manga": "Manga109"}
    return {**{known.lower(): known for known in SETS}, **others}.get(bare)


def set_of(folder: Path) -> str | None:
    """``set_name`` of a folder, which may be given as ``.``."""
    return set_name(os.path.basename(os.path.abspath(folder)))


def core(image: "NDArray[Any]") -> "NDArray[Any]":
    """``image`` (H, W, 3) without 4 pixels at each side, which depend on pixels outside it; tiny sides stay whole."""
    return image[tuple(slice(4, -4) if side > 8 else slice(None) for side in image.shape[:2])]


def pixel_digest(image: "NDArray[Any]") -> str:
    """SHA-256 of the bytes of ``image`` (H, W, 3), BGR, uint8, in the order R, G, B."""
    return hashlib.sha256(image[..., ::-1].tobytes()).hexdigest()


def set_digest(images: Iterable[tuple[str, tuple[int, int], str]]) -> str:
    """The digest of a set: SHA-256 over the lines ``STEM WxH DIGEST`` of its images, sorted by file name; 16 digits."""
    ordered = sorted(images, key=lambda image: f"{image[0]}.png")
    lines = [f"{stem} {width}x{height} {digest}\n" for stem, (width, height), digest in ordered]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def _images(name: str) -> dict[str, KnownImage]:
    """The rows of a set in ``known_images.csv``."""
    images = {}
    for row in csv.DictReader(FILE.read_text().splitlines()):
        if row["set"] == name:
            size, lr = (int(row["width"]), int(row["height"])), {scale: row[f"X{scale}"] for scale in (2, 3, 4)}
            colour = tuple(float(row[channel]) for channel in ("red", "green", "blue"))
            measures = float(row["contrast"]), float(row["jpeg"])
            images[row["image"]] = KnownImage(*size, row["hr"], row["core"], lr, colour, *measures)
    return images


SETS = {
    "Set5": KnownSet(5, "dd1ccda8fa215f60", _images("Set5")),
    "Set14": KnownSet(14, "cf22fae9c9876ef1", _images("Set14")),
    "B100": KnownSet(100, "e3b3d0a2c84583d9", {}, frozenset({(481, 321), (321, 481)})),
    "Urban100": KnownSet(100, "f8ac5860f6454be7", {}),
    "Manga109": KnownSet(109, "a47bc5d9600f5fed", {}, frozenset({(827, 1170), (742, 1072)})),
}
