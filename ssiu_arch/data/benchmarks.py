"""The benchmark sets in the layouts people have, brought to the one that the option files name.

That one is EDSR's: ``Set5/HR/baby.png`` and ``Set5/LR_bicubic/X4/babyx4.png``, HR not cropped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssiu_arch.data.images import Image, encode_png, list_images, read_image
from ssiu_arch.data.names import COUNTS, set_name
from ssiu_arch.data.pairs import lr_path
from ssiu_arch.data.prepare import say
from ssiu_arch.data.script import SetIncomplete
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import write_file

HR_FOLDERS = ("HR", "GT", "original", "GTmod12")  # the first that is there counts
LR_FOLDERS = ("LR_bicubic/X{}", "LRbicx{}", "LR/X{}", "LR_bicubic/x{}", "X{}")
DEPTH = 3


@dataclass(frozen=True)
class Layout:
    """A benchmark set as it was found: its name, its folder, its HR folder, its LR folders by scale."""

    name: str
    folder: Path
    hr: Path
    lr: dict[int, Path]

    @property
    def is_cropped(self) -> bool:
        """Whether HR is BasicSR's ``GTmod12``, cropped to multiples of 12, which scores differently."""
        return self.hr.name == "GTmod12"


def find_sets(source: Path, scales: Sequence[int]) -> Iterator[Layout]:
    """The benchmark sets below ``source``, the first of each name.

    Raises:
        UserError: If ``source`` is no folder, or a set is there only in a layout that cannot be used.
    """
    if not source.is_dir():
        raise UserError(f"{source}: there is no such folder")
    seen: set[str] = set()
    refused: dict[str, Path] = {}
    for folder in _folders(source, DEPTH):
        name = set_name(folder.name)
        if name is None or name in seen:
            continue
        layout = _layout(name, folder, scales)
        if layout:
            seen.add(name)
            yield layout
        elif list(folder.glob("image_SRF_*")):
            refused[name] = folder
    for name in refused.keys() - seen:
        raise UserError(
            f"{refused[name]}: is the layout of the SelfExSR repository (image_SRF_4), whose LR images clamp at the "
            "border and whose Urban100 x2 is wrong; use the files of EDSR's benchmark.tar or SwinIR's testsets"
        )


def prepare_benchmarks(
    source: Path, root: Path, scales: Sequence[int], *, force: bool = False, remake_lr: bool = False
) -> list[Path]:
    """Bring the benchmark sets below ``source`` to ``root/benchmark``, making LR images where there are none.

    Args:
        source: Where they are; ``root/benchmark`` itself checks and completes what is there.
        root: Where the data sets are.
        scales: Which LR images to have.
        force: Replace files that are there and differ.
        remake_lr: Make all LR images from HR, whatever is given.

    Returns:
        The folders of the sets.

    Raises:
        SetIncomplete: If images are missing or do not fit; they are named, and the others are in place.
        UserError: If no set is found, or something else is in its place.
    """
    done, problems = [], 0
    for layout in find_sets(source, scales):
        target = root / "benchmark" / layout.name
        problems += _prepare_set(layout, target, scales, force, remake_lr)
        done.append(target)
    if not done:
        raise UserError(f"{source}: holds none of {', '.join(COUNTS)} (folders of these names are looked for)")
    absent = sorted(COUNTS.keys() - {folder.name for folder in done})
    if absent:
        say(f"not found below {source}: {', '.join(absent)}")
    if problems:
        raise SetIncomplete(f"{problems} images or sets are not as they should be, see above")
    return done


def _prepare_set(layout: Layout, target: Path, scales: Sequence[int], force: bool, remake_lr: bool) -> int:
    """Copy or make the files of one set; return the number of problems, each of which is named."""
    images = list_images(layout.hr)
    problems = 0
    if len(images) != COUNTS[layout.name]:
        say(f"problem: {layout.hr}: {len(images)} images, {layout.name} has {COUNTS[layout.name]}")
        problems += 1
    if layout.is_cropped:
        say(f"note: {layout.hr}: HR is cropped to multiples of 12 (BasicSR's way); scores differ by up to 0.05 dB")
    made, odd = 0, 0
    for path in images:
        try:
            hr = read_image(path)
            _place(path, hr, target / "HR" / f"{path.stem}.png", force)
            for scale in scales:
                wanted = target / "LR_bicubic" / f"X{scale}" / f"{path.stem}x{scale}.png"
                given = None if remake_lr else _given_lr(layout, path, scale, hr)
                right = make_lr(hr, scale)
                if given is None:
                    if not (wanted.exists() and not force and np.array_equal(read_image(wanted), right)):
                        _place(None, right, wanted, force)
                        made += 1
                else:
                    odd += not np.array_equal(read_image(given), right)
                    _place(given, right, wanted, force)
        except UserError as problem:
            say(f"problem: {problem}")
            problems += 1
    if odd:
        say(f"note: {layout.folder}: {odd} LR images are not MATLAB's bicubic of HR; --remake-lr makes them so")
    say(f"{layout.name}: {len(images)} images from {layout.folder} in {target}, {made} LR images made")
    return problems


def _given_lr(layout: Layout, original: Path, scale: int, hr: Image) -> Path | None:
    """The LR image that was found for an HR image, or None if there is none of the size HR asks for."""
    folder = layout.lr.get(scale)
    if folder is None:
        return None
    path = lr_path(original, folder, scale)
    if path is None:
        return None
    lr = read_image(path)
    if lr.shape[0] == hr.shape[0] // scale and lr.shape[1] == hr.shape[1] // scale:
        return path
    size = f"{lr.shape[1]}x{lr.shape[0]}"
    say(f"note: {path}: {size} is not 1/{scale} of HR ({hr.shape[1]}x{hr.shape[0]}); made again from HR")
    return None


def _place(original: Path | None, image: Image, path: Path, force: bool) -> None:
    """Put a PNG file at ``path``: the bytes of ``original`` where that is PNG, else ``image`` encoded.

    Raises:
        UserError: If another image is there, without ``force``.
    """
    is_png = original is not None and original.suffix.lower() == ".png"
    data = original.read_bytes() if original is not None and is_png else encode_png(image)
    if path.exists():
        if path.read_bytes() == data:
            return
        if not force:
            raise UserError(f"{path}: another image is there; move it, or replace it by --force")
    write_file(path, data)


def _layout(name: str, folder: Path, scales: Sequence[int]) -> Layout | None:
    hr = next((folder / sub for sub in HR_FOLDERS if (folder / sub).is_dir()), None)
    if hr is None and list_images(folder):
        hr = folder
    if hr is None:
        return None
    lr = {}
    for scale in scales:
        found = next((folder / sub.format(scale) for sub in LR_FOLDERS if (folder / sub.format(scale)).is_dir()), None)
        if found:
            lr[scale] = found
    return Layout(name, folder, hr, lr)


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """``folder`` and the folders below it, down to ``depth`` levels, sorted."""
    yield folder
    if depth:
        for child in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
            yield from _folders(child, depth - 1)
