"""Benchmark sets in common layouts, converted to the layout of the option files.

That is EDSR's: ``Set5/HR/baby.png`` and ``Set5/LR_bicubic/X4/babyx4.png``, HR not cropped.
"""

import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssiu_arch.data.download import Download, fetch
from ssiu_arch.data.images import BadImage, Image, decode_image, encode_png, list_images, lr_path, read_image
from ssiu_arch.data.known_sets import SETS, set_of
from ssiu_arch.data.script import SetIncomplete, say
from ssiu_arch.data.sources import paths_below
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.data.verify import PairedSet, verify
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import write_file, writing
from ssiu_arch.utils.image_files import require_folder

# Its loaders check this MD5. Manga109 is not in it.
ARCHIVE = Download("https://cv.snu.ac.kr/research/EDSR/benchmark.tar", "4ace41d33c2384b97e6b320cd0afd6ba")
MANGA109 = "http://www.manga109.org/en/"
HR_FOLDERS = ("HR", "GT", "original", "GTmod12", "")  # the first one that holds images is used
LR_FOLDERS = ("LR_bicubic/X{}", "LRbicx{}", "LR/X{}", "LR_bicubic/x{}", "X{}")
DEPTH = 3  # folder levels below the source that are searched


class Layout(NamedTuple):
    """A benchmark set as found: name, folder, HR folder."""

    name: str
    folder: Path
    hr: Path


def find_sets(source: Path) -> Iterator[Layout]:
    """The benchmark sets below ``source``, the first of each name.

    Raises:
        UserError: ``source`` is not a folder, or the only copy of a set has an unusable layout.
    """
    require_folder(source)
    seen: set[str] = set()
    refused: dict[str, Path] = {}
    for folder in (source, *(path for path in paths_below(source, DEPTH) if path.is_dir())):
        name = set_of(folder)
        if name is None or name in seen:
            continue
        hr = next((folder / sub for sub in HR_FOLDERS if (folder / sub).is_dir() and list_images(folder / sub)), None)
        if hr:
            seen.add(name)
            yield Layout(name, folder, hr)
        elif list(folder.glob("image_SRF_*")):
            refused[name] = folder
    for name in refused.keys() - seen:
        raise UserError(
            f"{refused[name]}: has the layout of the SelfExSR repository (image_SRF_4), whose LR images clamp at the "
            "border and whose Urban100 x2 is wrong; use the files of EDSR's benchmark.tar or SwinIR's testsets"
        )


def prepare_benchmarks(
    source: Path, root: Path, scales: Sequence[int], *, force: bool = False, remake_lr: bool = False
) -> list[Path]:
    """Copy the benchmark sets below ``source`` to ``root/benchmark``, make missing LR images, and verify them.

    A ``source`` that is ``root/benchmark`` itself is checked and completed. ``force`` replaces existing files that
    differ; ``remake_lr`` makes all LR images from HR, even existing ones. Returns the folders of the sets.

    Raises:
        SetIncomplete: images are missing or do not fit; each was printed, and the others are in place.
        UserError: there is no set, or an unusable one.
    """
    where = f"--download fetches {ARCHIVE.url} (without Manga109, which {MANGA109} gives out on request)"
    if not source.exists():
        raise UserError(f"{source}: there is no such folder; name that of your copies by --source; {where}")
    done, problems = [], 0
    for layout in find_sets(source):
        target = root / "benchmark" / layout.name
        found = _place_set(layout, target, scales, force, remake_lr) + _verify(target, scales)
        for line in dict.fromkeys(found):
            say(f"problem: {line}")
        if any("MATLAB" in line for line in found):
            say("--remake-lr --force replaces LR images that MATLAB's bicubic did not make")
        problems += len(dict.fromkeys(found))
        done.append(target)
    absent = [name for name in SETS if name not in {folder.name for folder in done}]
    if not done:
        raise UserError(f"{source}: has no folder named {', '.join(SETS)}; {where}")
    if absent:
        say(f"not found below {source}: {', '.join(absent)}; {where}")
    if problems:
        raise SetIncomplete(f"{problems} problems, see above; the other images are ready")
    return done


def download(folder: Path) -> Path:
    """Fetch EDSR's archive of Set5, Set14, B100 and Urban100, and unpack it in ``folder``, which is returned.

    Raises:
        UserError: the archive cannot be fetched, is damaged, or there is no room.
    """
    unpacked = folder / "EDSR"
    if not unpacked.is_dir():
        archive = fetch(ARCHIVE, folder)
        with writing(unpacked), tempfile.TemporaryDirectory(dir=folder) as partial:
            try:
                with tarfile.open(archive, "r:") as tar:
                    tar.extractall(Path(partial, "all"), filter="data")
            except (tarfile.TarError, EOFError) as error:
                raise UserError(f"{archive}: is damaged ({error}); remove it and run the same command again") from None
            Path(partial, "all").rename(unpacked)
    return folder


def _place_set(layout: Layout, target: Path, scales: Sequence[int], force: bool, remake_lr: bool) -> list[str]:
    """Copy or make the files of one set; returns problems."""
    problems = []
    images = list_images(layout.hr)
    made = 0
    for path in images:
        try:
            hr = read_image(path)
            if min(hr.shape[:2]) < max(scales):
                raise BadImage(f"{path}: a side is below {max(scales)} pixels, which leaves nothing of LR")
            _place(target / "HR" / f"{path.stem}.png", hr, path, force)
            for scale in scales:
                given = None if remake_lr else _given_lr(layout, path, scale, hr)
                wanted = target / "LR_bicubic" / f"X{scale}" / f"{path.stem}x{scale}.png"
                made += _place(wanted, make_lr(hr, scale), given, force) and given is None
        except UserError as problem:
            problems.append(str(problem))
    say(f"{layout.name}: {len(images)} images from {layout.folder} in {target}, {made} LR images made")
    if layout.folder.name != layout.name:
        say(f"note: {layout.folder.name} is taken for {layout.name}")
    return problems


def _given_lr(layout: Layout, original: Path, scale: int, hr: Image) -> Path | None:
    """The existing LR image of an HR image; None: there is none, or it has the wrong size."""
    folders = (layout.folder / sub.format(scale) for sub in LR_FOLDERS)
    path = next((path for folder in folders if (path := lr_path(original, folder, scale))), None)
    lr = read_image(path) if path else None
    if lr is None or lr.shape[:2] == (hr.shape[0] // scale, hr.shape[1] // scale):
        return path
    size = f"{lr.shape[1]}x{lr.shape[0]}"
    say(f"note: {path}: {size} is not 1/{scale} of HR ({hr.shape[1]}x{hr.shape[0]}); made again from HR")
    return None


def _place(path: Path, image: Image, original: Path | None, force: bool) -> bool:
    """Write a PNG file unless it exists: the bytes of ``original`` if it is PNG, else ``image``; returns whether.

    Raises:
        UserError: ``path`` holds another image, without ``force``.
    """
    is_png = original is not None and original.suffix.lower() == ".png"
    data = original.read_bytes() if original is not None and is_png else encode_png(image)
    if path.exists() and not force:
        if path.read_bytes() == data or np.array_equal(read_image(path), decode_image(data, str(original))):
            return False  # the same picture, perhaps compressed by another tool
        raise UserError(f"{path}: is another image; move it, or replace it with --force")
    write_file(path, data)
    return True


def _verify(target: Path, scales: Sequence[int]) -> list[str]:
    """Print the notes on a set in its place; returns problems."""
    notes, problems = [], []
    for scale in scales:
        lr = target / "LR_bicubic" / f"X{scale}"
        if lr.is_dir():
            report = verify(PairedSet(target / "HR", lr, scale, f"{{}}x{scale}"))
            notes += report.notes
            problems += [line if line.startswith("HR ") else f"x{scale}: {line}" for line in report.problems]
    for line in dict.fromkeys(notes):
        say(f"note: {line}")
    return problems
