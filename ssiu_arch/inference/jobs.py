"""Upscaling files: which images are read, where their results go, what is done already, and one file's way."""

import glob
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

from ssiu_arch.inference.formats import NOT_TURNED, check_format, encode
from ssiu_arch.inference.photo import FORMATS, READ_ONLY, photo_size, read_photo
from ssiu_arch.inference.upscaler import Advance, Upscaler, upscaled_alpha
from ssiu_arch.utils.errors import UserError, printable
from ssiu_arch.utils.files import existing_parent, write_file
from ssiu_arch.utils.image_files import BadImage, list_images
from ssiu_arch.utils.memory import is_out_of_memory

READ = (*FORMATS, *READ_ONLY)  # endings of the files that are read


@dataclass(frozen=True)
class Job:
    """One image file and the file of its result."""

    source: Path
    target: Path

    @property
    def form(self) -> str:
        """Pillow's name of the target's format."""
        return FORMATS[self.target.suffix.lower()]


def find_jobs(inputs: list[str], out: Path, suffix: str | None) -> list[Job]:
    """The files that ``inputs`` name, in order, each once.

    Args:
        inputs: files, folders (searched recursively), or patterns with ``*``, ``?``, ``[]`` and ``**``. Folders and
            patterns ignore files already in ``out``.
        out: a folder, where subfolders of the inputs are kept; or for a single image the file of its result.
        suffix: of all results, such as ``.png``; None: that of their images.

    Raises:
        UserError: an input names no image; two images have the same result; or a result would replace an image.
    """
    found: dict[str, tuple[Path, Path]] = {}
    for text in inputs:
        for path, place in _files(text, out):
            found.setdefault(os.path.abspath(path), (path, place))
    is_file = out.suffix.lower() in FORMATS and not out.is_dir()
    if is_file:
        if len(found) > 1 or Path(inputs[0]).is_dir():
            raise UserError(f"-o {out}: names one image file, and there are several inputs; name a folder")
        if suffix and FORMATS[suffix] != FORMATS[out.suffix.lower()]:
            raise UserError(f"-o {out}: does not end with {suffix}, which --format asks for")
        jobs = [Job(path, out) for path, _ in found.values()]
    else:
        jobs = [Job(path, (out / place).with_suffix(suffix or _suffix(path))) for path, place in found.values()]
    folder = existing_parent(out.parent if is_file else out)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"-o {out}: {folder} is not {'a folder' if not folder.is_dir() else 'writable'}; name another")
    return _checked(jobs)


def is_done(job: Job, upscale: int) -> bool:
    """Whether the result exists.

    Raises:
        BadImage: a file of its name exists that cannot be the result of this image.
    """
    if not job.target.exists():
        return False
    height, width = photo_size(job.source)
    try:
        size = photo_size(job.target)
    except BadImage as error:
        raise BadImage(f"{job.target}: exists and is not an image; --overwrite replaces it") from error
    if size not in ((upscale * height, upscale * width), (upscale * width, upscale * height)):  # or rotated
        raise BadImage(
            f"{job.target}: exists with {size[1]}x{size[0]} pixels, so it is no result of {job.source}; "
            "--overwrite replaces it"
        )
    if job.target.stat().st_mtime < job.source.stat().st_mtime:
        raise BadImage(f"{job.target}: exists and is older than {job.source}; --overwrite replaces it")
    return True


def upscale_file(job: Job, upscaler: Upscaler, quality: int, advance: Advance = lambda share: None) -> tuple[int, int]:
    """Enlarge ``job.source`` into ``job.target``, written atomically; height and width of the result.

    Where the format changes, the image is turned upright: many viewers ignore a PNG's orientation.

    Args:
        job: what to do.
        upscaler: the network.
        quality: see ``encode``.
        advance: see ``Upscaler.bands``.

    Raises:
        UserError: the image cannot be read, does not fit in memory, or cannot be written in that format.
    """
    try:
        upscaler.check_memory(*photo_size(job.source))
        photo = read_photo(job.source)
        if job.form != photo.format or job.form in NOT_TURNED:
            photo = photo.upright()
        check_format(photo, job.form, upscaler.upscale, job.source)
        passes = 1 if photo.alpha is None else 2
        colour = upscaler(photo.colour, lambda share: advance(share / passes))
        alpha = None
        if photo.alpha is not None:
            alpha = upscaled_alpha(upscaler, photo.alpha, lambda share: advance(share / passes))
        photo = replace(photo, colour=colour, alpha=alpha)
        data, dropped = encode(photo, job.form, quality)
    except UserError as error:
        said = str(error)
        raise BadImage(said if said.startswith(f"{job.source}: ") else f"{job.source}: {said}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise BadImage(f"{job.source}: out of memory; try --tile 256, or cut the image into parts") from error
    write_file(job.target, data)
    if dropped:
        log.warning(f"{printable(job.source)}: not kept in the {job.form} file: {', '.join(dropped)}")
    return photo.size


def _suffix(path: Path) -> str:
    """The ending of the result of ``path``."""
    return READ_ONLY.get(path.suffix.lower(), path.suffix)


def _files(text: str, out: Path) -> list[tuple[Path, Path]]:
    """The image files that ``text`` names, each with its place in the output folder."""
    path = Path(text)
    searched = path
    if path.is_dir():
        files = [(file, file.relative_to(path)) for file in list_images(path, recursive=True, extensions=READ)]
    elif path.exists():
        if path.suffix.lower() not in READ:
            raise UserError(f"{path}: does not end with {', '.join(READ)}")
        return [(path, Path(path.name))]
    elif glob.has_magic(text):
        named = sorted(Path(match) for match in glob.glob(text, recursive=True))
        files = [(file, Path(file.name)) for file in named if file.suffix.lower() in READ and file.is_file()]
        searched = next(parent for parent in path.parents if not glob.has_magic(str(parent)))
    else:
        raise UserError(f"{path}: no such file or folder (the current folder is {os.getcwd()})")
    if out.resolve() == path.resolve():
        raise UserError(f"-o {out}: is the folder of the images; name another")
    if out.resolve().is_relative_to(searched.resolve()) and out.resolve() != searched.resolve():
        files = [(file, place) for file, place in files if not file.resolve().is_relative_to(out.resolve())]
    if not files:
        raise UserError(f"{text}: {'holds' if path.is_dir() else 'matches'} no image ({', '.join(READ)})")
    return files


def _checked(jobs: list[Job]) -> list[Job]:
    sources = {job.source.resolve() for job in jobs}
    targets: dict[Path, Job] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in sources:
            raise UserError(f"{job.target}: is one of the input images; name another -o")
        if target in targets:
            raise UserError(
                f"{targets[target].source} and {job.source}: have the same output {job.target}; "
                "upscale them by two commands, with a folder each"
            )
        targets[target] = job
        if job.target.is_dir():
            raise UserError(f"{job.target}: is a folder, where the output of {job.source} belongs; name another -o")
    return jobs


log = logging.getLogger("basicsr")
