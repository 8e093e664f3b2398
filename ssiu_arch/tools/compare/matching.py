"""Which files belong to one image: HR and the results of several networks, matched by name."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssiu_arch.data.images import list_images
from ssiu_arch.utils.errors import UserError


@dataclass(frozen=True)
class Files:
    """The files of one image.

    Attributes:
        name: stem of the HR file.
        hr: the HR file.
        results: file of each network by the network's name, in the order given.
    """

    name: str
    hr: Path
    results: dict[str, Path]


def find(
    hr: Path, results: Mapping[str, Path], images: Sequence[str], scale: int
) -> tuple[list[Files], dict[str, list[str]]]:
    """Match the files of each result to the HR images.

    A file matches an HR image by its stem: the HR stem, alone or followed by ``x4`` (the scale), or either of these
    followed by ``_`` and anything. So ``baby.png`` matches ``baby.png``, ``babyx4.png``,
    ``baby_SSIU.png`` and ``babyx4_test_SSIU_x4.png`` (``basicsr test``). If several HR stems match, the longest wins.
    Folders are searched recursively, except HR's.

    Args:
        hr: an image file or a folder.
        results: a file or a folder by the name of the network.
        images: the HR stems to use; empty: all.
        scale: of the results.

    Returns:
        The images that have all files, in the order of ``images`` or of the HR names; and for every other image the
        networks that have no file of it.

    Raises:
        UserError: a path does not exist, several files match one image, or no image has all files.
    """
    known = _hr_files(hr)
    for name in images:
        if name not in known:
            raise UserError(f"--image {name}: no image of this name in {hr}, which has {_some(known)}")
    wanted = images or list(known)
    matched = {name: _matched(f"{name}={path}", path, hr, list(known), wanted, scale) for name, path in results.items()}

    left_out = {
        image: missing
        for image in wanted
        if (missing := [name for name, files in matched.items() if image not in files])
    }
    complete = [
        Files(image, known[image], {name: files[image] for name, files in matched.items()})
        for image in wanted
        if image not in left_out
    ]
    if not complete or (images and left_out):
        image, missing = next(iter(left_out.items()))
        name = missing[0]
        raise UserError(f"{name}={results[name]}: no file of {image}; it has files of {_some(matched[name])}")
    return complete, left_out


def _hr_files(hr: Path) -> dict[str, Path]:
    """The HR files by stem."""
    if not os.path.isdir(hr):  # os.path returns False where pathlib raises, as for a folder without permission
        _check_file(f"HR {hr}", hr)
        return {hr.stem: hr}
    files: dict[str, Path] = {}
    for path in list_images(hr):
        if path.stem in files:
            raise UserError(
                f"HR {hr}: two images are named {path.stem}: {files[path.stem].name} and {path.name}; rename one"
            )
        files[path.stem] = path
    if not files:
        raise UserError(f"HR {hr}: no images in this folder")
    return files


def _matched(
    what: str, path: Path, hr: Path, known: Sequence[str], wanted: Sequence[str], scale: int
) -> dict[str, Path]:
    """The files at ``path`` by the wanted image they match; at least one."""
    if not os.path.isdir(path):
        _check_file(what, path)
        if os.path.isdir(hr):
            raise UserError(f"{what}: is a file, but HR is a folder: give a folder here, or a file as HR")
        return {wanted[0]: path}
    files: dict[str, list[Path]] = {}
    for file in list_images(path, recursive=True):
        bases = {base: image for image in known for base in (image, f"{image}x{scale}")}
        fitting = [image for base, image in bases.items() if file.stem == base or file.stem.startswith(f"{base}_")]
        image = max(fitting, key=len, default="")
        if image in wanted:
            files.setdefault(image, []).append(file)
    for image, several in files.items():
        if len(several) > 1:
            names = _some(str(file.relative_to(path)) for file in several)
            raise UserError(f"{what}: {len(several)} files match the image {image}: {names}; give a folder with one")
    if not files:
        raise UserError(f"{what}: no file matches an HR image ({_some(wanted)}); check the names and --scale {scale}")
    return {image: several[0] for image, several in files.items()}


def _check_file(what: str, path: Path) -> None:
    if not os.path.isfile(path):
        raise UserError(f"{what}: no such file or folder")


def _some(names: Iterable[str], most: int = 3) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
