"""The published benchmark sets: names, sizes and digests of their images.

Digests are of decoded pixels, so that another compression of the same picture counts as the same. They belong to the
files of EDSR's archive, and to the 109 PNG files of Manga109.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS = 10  # of the digest of an image in the table below


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
    """The rows of a set in the table."""
    images = {}
    for row in (line.split() for line in _TABLE.splitlines() if line.startswith(f"{name} ")):
        width, height = map(int, row[2].split("x"))
        *colour, contrast, jpeg = map(float, row[8:])
        lr = dict(zip((2, 3, 4), row[5:8], strict=True))
        images[row[1]] = KnownImage(width, height, row[3], row[4], lr, tuple(colour), contrast, jpeg)
    return images


_TABLE = """\
Set5 baby 512x512 f14d515486 b834d4223f d8d0583de4 099f4f9949 f306cdc324 166.9 134.2 109.5 5.26 0.01
Set5 bird 288x288 0f7ca11adc ef0e38e4ae 45d30e8107 b53f5c2a9b 611cafb4f9 88.0 88.5 27.0 6.27 0.00
Set5 butterfly 256x256 200d3ae507 b3e5e2598c b42608efca 9447df48c6 6fa397dfbe 153.0 119.2 72.8 11.40 0.00
Set5 head 280x280 1aca63a883 493d930a57 aff0698c72 1ee04af05e 8aa77c2c76 88.5 64.9 65.7 7.09 0.00
Set5 woman 228x344 6d9d5a40b8 9ac0130c57 aee6863808 4f940275ed 27b413c77e 150.6 110.2 103.1 7.91 0.48
Set14 baboon 500x480 9890746592 61bd39ee0f 42533faa1e 811cd244f9 0a91e1a937 113.0 100.4 88.7 17.89 0.00
Set14 barbara 720x576 0267e58965 a6eba22926 ef91e06084 a2db63588a 4b87533896 130.7 101.1 92.6 13.20 0.01
Set14 bridge 512x512 278689daf6 175d856cdb a20e0b57dd 8fb22eac3f fd38b9a744 113.8 113.8 113.8 12.15 0.00
Set14 coastguard 352x288 59e27df80c d32853a239 15829b65bf e0f94d7c6a 261c25e76c 120.6 119.5 113.2 6.45 0.58
Set14 comic 250x361 57505129f4 a69ff2ed18 805c1da88e 9f5caaa9f1 3867ebee9b 158.6 138.0 123.2 15.66 0.00
Set14 face 276x276 10729944d3 08d0db260b 4088c01ddf 7276044079 c781ea9b3a 88.9 64.7 65.9 7.12 0.01
Set14 flowers 500x362 806ffffa56 687915b2ab 297b802b75 508e3a9776 f05a4ea31d 99.9 76.9 83.7 9.05 0.00
Set14 foreman 352x288 df44893b86 ccd312a319 e0b842f354 8247ef9af1 16270c0356 177.8 165.5 149.6 5.13 0.46
Set14 lenna 512x512 467e7e33da 3e422f7f04 be02520988 fb010637cb cd34f46388 177.2 95.3 101.1 7.29 0.00
Set14 man 512x512 6b586ecfe5 64a609b58f 4dfaf0031e 1a06c281a6 ea097d4737 89.0 89.0 89.0 10.50 0.00
Set14 monarch 768x512 601d3e0f55 db578e8664 9c4ace8f36 2063e8a6a0 684af1eb3a 143.5 93.0 75.0 5.41 0.00
Set14 pepper 512x512 a18d4e9ada 0c7b04dd3c 0ae8b68679 13408c7f7c fc32ecfb0b 149.8 115.6 66.5 7.71 0.00
Set14 ppt3 529x656 a855ec6f6a 3b3f6335e2 8a5acccd89 cf0af15be1 9f9ca66e8f 201.3 192.1 178.5 7.30 0.22
Set14 zebra 586x391 caab9603b0 4e8a690256 f27c6a3fde 2445d48e7b 0317eb4737 132.5 138.4 80.5 10.33 0.58
"""  # set, name, size, digests of HR, its core, X2, X3 and X4, colour, contrast, traces of JPEG

SETS = {
    "Set5": KnownSet(5, "dd1ccda8fa215f60", _images("Set5")),
    "Set14": KnownSet(14, "cf22fae9c9876ef1", _images("Set14")),
    "B100": KnownSet(100, "e3b3d0a2c84583d9", {}, frozenset({(481, 321), (321, 481)})),
    "Urban100": KnownSet(100, "f8ac5860f6454be7", {}),
    "Manga109": KnownSet(109, "a47bc5d9600f5fed", {}, frozenset({(827, 1170), (742, 1072)})),
}
