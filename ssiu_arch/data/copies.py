"""Compares HR and LR images with each other and with the published sets, and says what is wrong."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ssiu_arch.data import faults
from ssiu_arch.data.images import BadImage, Image, lr_path, png_kind, read_image
from ssiu_arch.data.known_sets import DIGITS, SETS, KnownImage, core, pixel_digest, set_digest
from ssiu_arch.data.sub_images import make_lr

SHOWN = 3  # images named before "and N more"
Listed = tuple[str, tuple[int, int], str]  # file name without extension, (width, height), pixel digest
Reader = Callable[[], Image]


@dataclass
class Copy:
    """HR images as a copy of a published set.

    Attributes:
        name: of the published set; None: the images belong to none.
        known: the published image that each file should be; without files of a set that is known as a whole only.
        right: the files that are the published images.
        problems: with the set as a whole.
        notes: on harmless differences.
    """

    name: str | None
    known: dict[Path, KnownImage] = field(default_factory=dict)
    right: set[Path] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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


RENAMES: tuple[Callable[[str], str], ...] = (  # file names under which other archives have the published images
    str,
    bare,
    lambda stem: bare(stem).replace("img_", "img"),
    lambda stem: re.sub("img(?=[0-9])", "img_", bare(stem)),
)


def match(
    gt: Sequence[Path], lq: Sequence[Path], folder: Path, scale: int, template: str
) -> tuple[dict[Path, Path], list[str]]:
    """The LR file in ``folder`` of each HR file, and problems with their names.

    ``template`` is BasicSR's ``filename_tmpl``. A file of another name is found if only its endings differ.
    """
    pairs = {path: lr for path in gt if (lr := lr_path(path, folder, scale, template))}
    paired = set(pairs.values())
    left = {bare(path.stem): path for path in lq if path not in paired}
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
    copy = Copy(name)
    if name is None:
        return copy
    images: dict[Path, Listed] = {}
    for path in paths:
        try:
            image = read_image(path)
        except BadImage:  # named when its pair is read
            continue
        images[path] = (path.stem, (image.shape[1], image.shape[0]), pixel_digest(image))
    if len(paths) != SETS[name].number:
        copy.problems.append(f"{len(paths)} images instead of {SETS[name].number}")
    if SETS[name].images:
        _compare_each(copy, SETS[name].images, images, {bare(path.stem) for path in paths})
    else:
        _compare_whole(copy, SETS[name].digest, images)
    return copy


def _compare_each(copy: Copy, published: dict[str, KnownImage], images: dict[Path, Listed], stems: set[str]) -> None:
    """Find the published image of each file, by its pixels or else by its name; ``stems``: of damaged files, too."""
    # Pixels decide, not names: a renamed image is the published one, and a picture under another's name is not. Only a
    # changed picture is told by its name, so that ``faults`` can say what was done to it.
    by_digest = {known.hr: stem for stem, known in published.items()}
    missing = published.keys() - stems
    renamed = []
    for path, (stem, _, digest) in images.items():
        pixels = by_digest.get(digest[:DIGITS])
        known = published.get(pixels or bare(stem))
        if known is None:
            copy.problems.append(f"HR of {stem}: not an image of {copy.name}")
            continue
        copy.known[path] = known
        if pixels is None:
            continue
        copy.right.add(path)
        if bare(stem) in published.keys() - {pixels}:
            copy.problems.append(f"HR of {stem}: the picture is {pixels}")
        elif pixels != stem:
            renamed.append(f"{stem} for {pixels}")
            missing -= {pixels}
    if renamed:
        copy.notes.append(f"HR is renamed, pixels are the published ones: {named(renamed)}")
    if missing:
        copy.problems.append(f"HR is missing: {named(sorted(missing))}")


def _compare_whole(copy: Copy, wanted: str, images: dict[Path, Listed]) -> None:
    """Look for a change that explains all images of a set of which only the digest ``wanted`` is known."""
    for rename in RENAMES:
        digest = set_digest((rename(stem), size, pixels) for stem, size, pixels in images.values())
        if digest == wanted:
            copy.right = set(images)
            if rename is not str:
                copy.notes.append(f"HR is renamed, pixels are the published ones: {next(iter(images)).stem} and others")
            return
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
    if done := next((what for what, listed in changed.items() if set_digest(listed) == wanted), None):
        copy.problems.append(f"HR of all {len(images)} images: {done}")
        return
    if images and cropped == len(images):
        copy.problems.append(f"HR of all {cropped} images: cropped to multiples of 12 (BasicSR's GTmod12)")
    if traces:
        who = named(traces, len(images))
        copy.problems.append(f"HR of {who}: traces of JPEG, perhaps more than the published ones have")


def compare(
    copy: Copy, pairs: Iterable[tuple[Path, Reader, Reader]], scale: int, are_tiles: bool = False
) -> tuple[list[str], list[str]]:
    """Compare each LR image with MATLAB's bicubic of HR, and HR with the published image; returns problems and notes.

    Each of ``pairs`` is the HR file or LMDB key, and what reads HR and LR. ``are_tiles`` if the images are cut from
    larger ones, so that LR at the border depends on pixels outside HR.
    """
    inner = core if are_tiles else np.asarray
    published = SETS[copy.name].images if copy.name else {}
    pictures = {digest: stem for stem, known in published.items() for digest in known.lr.values()}
    wrong, harmless = defaultdict[tuple[str, str], list[str]](list), defaultdict[tuple[str, str], list[str]](list)
    broken, total = [], 0
    for path, read_hr, read_lr in pairs:
        total += 1
        try:
            hr, lr = read_hr(), read_lr()
        except BadImage as problem:
            broken.append(str(problem))
            continue
        if min(hr.shape[:2]) < scale:
            wrong["HR", f"a side below {scale} pixels, which leaves nothing of LR"].append(path.stem)
            continue
        known, digest = copy.known.get(path), pixel_digest(lr)[:DIGITS]
        is_published = known is not None and digest == known.lr.get(scale)
        if reason := _hr_reason(copy, path, hr, lr if is_published else None, scale):
            wrong["HR", reason].append(path.stem)
        elif not are_tiles and (kind := png_kind(path)):
            harmless["HR", f"{kind}, which BasicSR reads as 8-bit RGB"].append(path.stem)
        if is_published or np.array_equal(inner(lr), inner(make_lr(hr, scale))):
            continue
        if known and pictures.get(digest, path.stem) not in (path.stem, bare(path.stem)):
            wrong["LR", f"the picture is {pictures[digest]}"].append(path.stem)
        else:
            fault, is_resized = faults.lr_fault(hr, lr, scale)
            (harmless if is_resized and not copy.name else wrong)["LR", fault].append(path.stem)
    problems, notes = (
        [f"{side} of {named(images, total)}: {reason}" for (side, reason), images in found.items()]
        for found in (wrong, harmless)
    )
    return broken + problems, notes


def _hr_reason(copy: Copy, path: Path, hr: Image, lr: Image | None, scale: int) -> str | None:
    """Why the HR file ``path`` is not the published image, or what stands out; ``lr``: its published LR image."""
    if copy.name is None or path in copy.right:
        return None
    if png_kind(path) == "alpha channel":
        return "alpha channel, not opaque"
    if known := copy.known.get(path):
        return faults.hr_fault(hr, lr, scale, known)
    size, sizes = (hr.shape[1], hr.shape[0]), SETS[copy.name].sizes
    if sizes and size not in sizes:
        return faults.size_fault(size, min(sizes, key=lambda each: abs(each[0] - size[0])))
    return "grey" if faults.is_grey(hr) else None
