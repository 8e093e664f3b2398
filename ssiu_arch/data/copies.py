"""Compares folders of HR and LR images with each other and with the published sets, and says what is wrong."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssiu_arch.data import faults
from ssiu_arch.data.images import BadImage, Image, png_kind, read_image
from ssiu_arch.data.known_sets import DIGITS, SETS, KnownImage, pixel_digest, set_digest
from ssiu_arch.data.pairs import lr_path

SHOWN = 3  # images named before "and N more"
RENAMES: tuple[Callable[[str], str], ...] = (  # file names under which other archives have the published images
    lambda stem: bare(stem),
    lambda stem: bare(stem).replace("img_", "img"),
    lambda stem: re.sub("img(?=[0-9])", "img_", bare(stem)),
)
Listed = tuple[str, tuple[int, int], str]  # file name without extension, (width, height), pixel digest


@dataclass
class Copy:
    """HR images and the published set that they are a copy of.

    Attributes:
        name: of the published set; None: the images belong to none.
        known: the published image that each file should be; without files of a set that is known as a whole only.
        right: whether each file is the published image; None: not known.
        problems: with the set as a whole.
        notes: on harmless differences.
    """

    name: str | None
    known: dict[Path, KnownImage] = field(default_factory=dict)
    right: dict[Path, bool | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Findings:
    """Reasons, and the images that each holds for."""

    def __init__(self) -> None:
        self.images: dict[str, list[str]] = {}

    def add(self, side: str, reason: str, image: str) -> None:
        """Note that ``reason`` holds for ``image``; ``side`` is HR or LR."""
        self.images.setdefault(f"{side} of {{}}: {reason}", []).append(image)

    def lines(self, total: int) -> list[str]:
        """One line per reason; it names the first images, or says that it holds for all ``total``."""
        return [line.format(named(images, total)) for line, images in self.images.items()]


def named(images: Sequence[str], total: int = 0) -> str:
    """``zebra``, ``3 images (baboon, bridge, comic)``, of which the first three are named, or ``all 14 images``."""
    if len(images) == 1:
        return images[0]
    if len(images) == total:
        return f"all {total} images"
    more = f" and {len(images) - SHOWN} more" if len(images) > SHOWN else ""
    return f"{len(images)} images ({', '.join(images[:SHOWN])}{more})"


def bare(stem: str) -> str:
    """``stem`` without the endings for role and scale: ``baby`` of ``babyx4``, ``img_001`` of ``img_001_SRF_4_HR``."""
    shorter = re.sub(r"(?i)([_-]?(hr|gt|lr|lq|bicubic)|_srf_\d|[_-]?x\d)$", "", stem)
    return bare(shorter) if shorter not in ("", stem) else stem


def match(
    gt: Sequence[Path], lq: Sequence[Path], folder: Path, scale: int, template: str
) -> tuple[dict[Path, Path], list[str]]:
    """The LR file of each HR file, and problems with their names.

    Args:
        gt, lq: files of HR and LR.
        folder: of LR.
        scale: of LR.
        template: BasicSR's ``filename_tmpl``. A file of another name is found if only its endings differ.
    """
    pairs = {path: lr for path in gt if (lr := lr_path(path, folder, scale, template))}
    left = {bare(path.stem): path for path in lq if path not in pairs.values()}
    renamed = {path: left.pop(bare(path.stem)) for path in gt if path not in pairs and bare(path.stem) in left}
    missing = [path.stem for path in gt if path not in pairs and path not in renamed]
    problems = []
    if renamed:
        hr, lr = next(iter(renamed.items()))
        who = named([path.stem for path in renamed], len(gt))
        problems.append(f"LR of {who}: renamed, {lr.name} instead of {template.format(hr.stem)}{hr.suffix}")
    if missing:
        problems.append(f"LR is missing for {named(missing)}: no {template.format(missing[0])}.png in {folder}")
    if left:
        problems.append(f"HR is missing for the LR of {named([path.stem for path in left.values()])}")
    return {**pairs, **renamed}, problems


def recognise(name: str | None, paths: Sequence[Path]) -> Copy:
    """Compare HR files with the published set ``name`` by the digests of their pixels."""
    copy = Copy(name, right=dict.fromkeys(paths))
    images: dict[Path, Listed] = {}
    for path in paths if name else ():
        try:
            image = read_image(path)
        except BadImage:  # named when its pair is read
            continue
        images[path] = (path.stem, (image.shape[1], image.shape[0]), pixel_digest(image))
    if name and SETS[name].images:
        _compare_each(copy, SETS[name].images, images)
    elif name and not _is_published(copy, SETS[name].digest, images):
        _compare_whole(copy, images, SETS[name].digest)
    if name and len(paths) != SETS[name].number:
        copy.problems.insert(0, f"{len(paths)} images instead of {SETS[name].number}")
    return copy


def _is_published(copy: Copy, digest: str, images: dict[Path, Listed]) -> bool:
    """Whether these are the images of the set, perhaps under other names or with one too many."""
    for left_out in (None, *images):
        if set_digest(images[path] for path in images if path != left_out) == digest:
            copy.right = {path: path != left_out for path in copy.right}
            if left_out:
                copy.problems.append(f"HR of {left_out.stem}: not an image of {copy.name}")
            return True
    for rename in RENAMES:
        if set_digest((rename(stem), size, pixels) for stem, size, pixels in images.values()) == digest:
            copy.right = dict.fromkeys(copy.right, True)
            copy.notes.append(f"HR is renamed, pixels are the published ones: {next(iter(images)).stem} and others")
            return True
    return False


def _compare_each(copy: Copy, published: dict[str, KnownImage], images: dict[Path, Listed]) -> None:
    """Find the published image of each file, by its pixels or else by its name."""
    by_digest = {known.hr: stem for stem, known in published.items()}
    missing = published.keys() - {bare(path.stem) for path in copy.right}
    renamed = []
    for path, (stem, _, digest) in images.items():
        pixels = by_digest.get(digest[:DIGITS])
        copy.right[path] = pixels is not None
        known = published.get(pixels or bare(stem))
        if known is None:
            copy.problems.append(f"HR of {stem}: not an image of {copy.name}")
            continue
        copy.known[path] = known
        if pixels and bare(stem) in published.keys() - {pixels}:
            copy.problems.append(f"HR of {stem}: the picture is {pixels}")
        elif pixels and pixels != stem:
            renamed.append(f"{stem} for {pixels}")
            missing -= {pixels}
    if renamed:
        copy.notes.append(f"HR is renamed, pixels are the published ones: {named(renamed)}")
    if missing:
        copy.problems.append(f"HR is missing: {named(sorted(missing))}")


def _compare_whole(copy: Copy, images: dict[Path, Listed], wanted: str) -> None:
    """Look for a change that explains all images of a set whose images are not known one by one."""
    digest = set_digest(images.values())
    copy.problems.append(f"HR is not the published {copy.name}: pixel digest {digest} instead of {wanted}")
    changed: dict[str, list[Listed]] = {what: [] for what in faults.UNDO}
    traces, cropped = [], 0
    for path in images:
        image = read_image(path)
        for what, undo in faults.UNDO.items():
            before = undo(image)
            changed[what].append((path.stem, (before.shape[1], before.shape[0]), pixel_digest(before)))
        cropped += image.shape[0] % 12 == image.shape[1] % 12 == 0
        if path.suffix.lower() in (".jpg", ".jpeg") or faults.jpeg_traces(image) > faults.JPEG:
            traces.append(path.stem)
    for what, listed in changed.items():
        if set_digest(listed) == wanted:
            copy.problems.append(f"HR of all {len(images)} images: {what}")
            return
    if images and cropped == len(images):
        copy.problems.append(f"HR of all {cropped} images: cropped to multiples of 12 (BasicSR's GTmod12)")
    if traces:
        who = named(traces, len(images))
        copy.problems.append(f"HR of {who}: traces of JPEG, perhaps more than the published ones have")


def compare(copy: Copy, pairs: dict[Path, Path], scale: int) -> tuple[list[str], list[str]]:
    """Compare each pair of HR and LR, and HR with the published image; returns problems and notes."""
    wrong, harmless, broken = Findings(), Findings(), []
    known_lr = {digest: stem for stem, known in _published(copy).items() for digest in known.lr.values()}
    for path, lower in pairs.items():
        try:
            hr, lr = read_image(path), read_image(lower)
        except BadImage as problem:
            broken.append(str(problem))
            continue
        stem, known, digest = path.stem, copy.known.get(path), pixel_digest(lr)[:DIGITS]
        is_published = known is not None and digest == known.lr.get(scale)
        if reason := _hr_reason(copy, path, hr, lr if is_published else None, scale):
            wrong.add("HR", reason, stem)
            if is_published:
                continue
        elif kind := png_kind(path):
            harmless.add("HR", f"{kind}, which BasicSR reads as 8-bit RGB", stem)
        if faults.has_lr(hr, lr, scale):
            continue
        if known and known_lr.get(digest, stem) not in (stem, bare(stem)):
            fault: str | None = f"the picture is {known_lr[digest]}"
        else:
            fault = faults.lr_fault(hr, lr, scale, may_be_hr=not copy.right[path])
        (wrong if fault or copy.name else harmless).add("LR", fault or faults.other_resize(hr, lr, scale), stem)
    return [*broken, *wrong.lines(len(pairs))], harmless.lines(len(pairs))


def _hr_reason(copy: Copy, path: Path, hr: Image, lr: Image | None, scale: int) -> str | None:
    """Why the HR file ``path`` is not the published image, or what stands out; ``lr``: its published LR image."""
    if copy.name is None or copy.right[path]:
        return None
    if png_kind(path) == "alpha channel":
        return "alpha channel, not opaque"
    if known := copy.known.get(path):
        return faults.hr_fault(hr, lr, scale, known)
    size, sizes = (hr.shape[1], hr.shape[0]), SETS[copy.name].sizes
    if sizes and size not in sizes:
        return faults.size_fault(size, min(sizes, key=lambda each: abs(each[0] - size[0])))
    return "grey" if faults.is_grey(hr) else None


def _published(copy: Copy) -> dict[str, KnownImage]:
    """The published images of the set by name, where they are known one by one."""
    return SETS[copy.name].images if copy.name else {}
