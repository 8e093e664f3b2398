"""Which files belong to one image: HR, LR and the results of several networks, matched by their names."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssiu_arch.data.images import list_images
from ssiu_arch.utils.errors import UserError

SHOWN = 3  # names in an error


@dataclass(frozen=True)
class Files:
    """The files of one image.

    Attributes:
        name: the stem of HR's file.
        hr: the file of HR.
        lr: the file of LR; None: to be made from HR.
        results: files by the name of the network, in the order given.
    """

    name: str
    hr: Path
    lr: Path | None
    results: dict[str, Path]

    @property
    def every(self) -> list[Path]:
        """All of them."""
        return [self.hr, *([self.lr] if self.lr else []), *self.results.values()]


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        images: those that HR, LR and every result has, in the order of HR's names or as they were asked for.
        left_out: by the name of an image, what has no file of it.
    """

    images: list[Files]
    left_out: dict[str, list[str]]


def find(hr: Path, lr: Path | None, results: Mapping[str, Path], images: Sequence[str], scale: int) -> Found:
    """The files that belong together.

    A file belongs to the image whose name it has, alone or followed by ``x4`` (the scale, as LR files of benchmarks
    have it), or either of these followed by ``_`` and anything, as ``basicsr test`` writes it: ``baby.png``,
    ``babyx4.png``, ``baby_SSIU.png``, ``babyx4_test_SSIU_x4.png``. Where several images of HR's folder fit, the longest
    name counts. Folders are searched with all folders below them, but HR's is not.

    Args:
        hr: a file, or a folder of them.
        lr: a file or a folder; None: there is none.
        results: a file or a folder by the name of the network.
        images: names of those images of HR's folder that are wanted; empty: all.
        scale: of the results.

    Raises:
        UserError: something does not exist, a folder holds several files of one image, or no image has all files.
    """
    hr_files = _hr_files(hr)
    for name in images:
        if name not in hr_files:
            raise UserError(f"--image {name}: {hr} has no image of this name; it has {_some(hr_files)}")
    wanted = images or list(hr_files)
    given = {f"{name}={path}": path for name, path in results.items()} | ({f"--lr {lr}": lr} if lr else {})
    sources = {what: _matched(what, path, hr, list(hr_files), wanted, scale) for what, path in given.items()}

    complete, left_out = [], {}
    for image in wanted:
        lacking = [what for what, files in sources.items() if image not in files]
        if lacking:
            left_out[image] = lacking
            continue
        own = [files[image] for files in sources.values()]
        complete.append(Files(image, hr_files[image], own.pop() if lr else None, dict(zip(results, own, strict=True))))
    if not complete or (images and left_out):
        image, lacking = next(iter(left_out.items()))
        raise UserError(
            f"{lacking[0]}: has no file of {image}"
            + ("" if images else f", and so no image has all its files; it has those of {_some(sources[lacking[0]])}")
        )
    return Found(complete, left_out)


def _hr_files(hr: Path) -> dict[str, Path]:
    """The images of HR by their stems."""
    if not os.path.isdir(hr):  # where pathlib raises, as for a folder that is closed, os.path says no
        _check_file(f"HR {hr}", hr)
        return {hr.stem: hr}
    files: dict[str, Path] = {}
    for path in list_images(hr):
        if path.stem in files:
            raise UserError(f"HR {hr}: has two images {path.stem}: {files[path.stem].name} and {path.name}")
        files[path.stem] = path
    if not files:
        raise UserError(f"HR {hr}: there are no images in it")
    return files


def _matched(
    what: str, path: Path, hr: Path, known: Sequence[str], wanted: Sequence[str], scale: int
) -> dict[str, Path]:
    """The files at ``path`` by the image they belong to, those that are wanted; at least one."""
    if not os.path.isdir(path):
        _check_file(what, path)
        if os.path.isdir(hr):
            raise UserError(f"{what}: is a file, and HR is a folder: name a folder, or HR's file")
        return {wanted[0]: path}
    files: dict[str, list[Path]] = {}
    for file in list_images(path, recursive=True):
        image = _image_of(file.stem, known, scale)
        if image is not None and image in wanted:
            files.setdefault(image, []).append(file)
    for image, several in files.items():
        if len(several) > 1:
            names = _some(str(file.relative_to(path)) for file in several)
            raise UserError(f"{what}: {len(several)} files fit the image {image}: {names}; name the folder of one kind")
    if not files:
        raise UserError(
            f"{what}: no file in it has the name of an image of HR ({_some(wanted)}), alone or followed by x{scale} or "
            "_; see --scale"
        )
    return {image: several[0] for image, several in files.items()}


def _image_of(stem: str, images: Sequence[str], scale: int) -> str | None:
    """Which of ``images`` a file belongs to, by the rule of ``find``."""
    fitting = [
        image for image in images for base in (image, f"{image}x{scale}") if stem == base or stem.startswith(f"{base}_")
    ]
    return max(fitting, key=len, default=None)


def _check_file(what: str, path: Path) -> None:
    if not os.path.isfile(path):
        raise UserError(f"{what}: there is no such file or folder")


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")
