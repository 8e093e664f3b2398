"""Which image files are upscaled, to which files, and by which of several processes."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from ssiu_arch.inference.photo import FORMATS, photo_size
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import existing_parent
from ssiu_arch.utils.image_files import EXTENSIONS, BadImage, list_images


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
        inputs: files; folders, searched with the folders in them; patterns with ``*``, ``?``, ``[]`` and ``**``. What
            lies in ``out`` is no input of a folder or a pattern.
        out: a folder, in which those of folders keep their place; or for a single file the file of its result.
        suffix: of all results, as ``.png``; None: that of their images.

    Raises:
        UserError: a name leads to no image; two images to the same result; a result would replace an image.
    """
    found: dict[str, tuple[Path, Path]] = {}
    for text in inputs:
        for path, place in _files(text, out):
            found.setdefault(os.path.abspath(path), (path, place))
    if _is_file_name(out):
        if len(found) > 1 or Path(inputs[0]).is_dir():
            raise UserError(f"-o {out}: is the name of an image, for a single one; name a folder")
        if suffix and FORMATS[suffix] != FORMATS[out.suffix.lower()]:
            raise UserError(f"-o {out}: does not end with {suffix}, which --format asks for")
        jobs = [Job(path, out) for path, _ in found.values()]
    else:
        jobs = [Job(path, (out / place).with_suffix(suffix or path.suffix)) for path, place in found.values()]
    folder = existing_parent(out.parent if _is_file_name(out) else out)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"-o {out}: {folder} is {'no folder' if not folder.is_dir() else 'not to be written to'}")
    return _checked(jobs)


def share_of(jobs: list[Job], rank: int, processes: int) -> list[Job]:
    """What the process ``rank`` of ``processes`` does: one job in ``processes``."""
    return jobs[rank::processes]


def is_done(job: Job, upscale: int) -> bool:
    """Whether the result is there.

    Raises:
        BadImage: a file of its name is there that is not the result of this image.
    """
    if not job.target.exists():
        return False
    height, width = photo_size(job.source)
    try:
        size = photo_size(job.target)
    except BadImage as error:
        raise BadImage(f"{job.target}: is there already, and no result; --overwrite replaces it") from error
    if size not in ((upscale * height, upscale * width), (upscale * width, upscale * height)):  # turned, too
        raise BadImage(
            f"{job.target}: is there already, and no result of {job.source}, for it has {size[1]}x{size[0]} pixels; "
            "--overwrite replaces it"
        )
    if job.target.stat().st_mtime < job.source.stat().st_mtime:
        raise BadImage(f"{job.target}: is there already, and older than {job.source}; --overwrite replaces it")
    return True


def _files(text: str, out: Path) -> list[tuple[Path, Path]]:
    """The image files that ``text`` names, each with its place below the folder of results."""
    path = Path(text)
    searched = path
    if path.is_dir():
        files = [(file, file.relative_to(path)) for file in list_images(path, recursive=True)]
    elif path.exists():
        if path.suffix.lower() not in EXTENSIONS:
            raise UserError(f"{path}: does not end with {', '.join(EXTENSIONS)}")
        return [(path, Path(path.name))]
    elif glob.has_magic(text):
        named = sorted(Path(match) for match in glob.glob(text, recursive=True))
        files = [(file, Path(file.name)) for file in named if file.suffix.lower() in EXTENSIONS and file.is_file()]
        searched = next(parent for parent in path.parents if not glob.has_magic(str(parent)))
    else:
        raise UserError(f"{path}: no such file or folder (the current folder is {os.getcwd()})")
    if out.resolve() == path.resolve():
        raise UserError(f"-o {out}: is the folder of the images; name another")
    if out.resolve().is_relative_to(searched.resolve()) and out.resolve() != searched.resolve():
        files = [(file, place) for file, place in files if not file.resolve().is_relative_to(out.resolve())]
    if not files:
        raise UserError(f"{text}: {'holds' if path.is_dir() else 'fits'} no image ({', '.join(EXTENSIONS)})")
    return files


def _is_file_name(out: Path) -> bool:
    return out.suffix.lower() in FORMATS and not out.is_dir()


def _checked(jobs: list[Job]) -> list[Job]:
    sources = {job.source.resolve() for job in jobs}
    targets: dict[Path, Job] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in sources:
            raise UserError(f"{job.target}: is one of the images to be upscaled; name another -o")
        if target in targets:
            raise UserError(
                f"{targets[target].source} and {job.source}: would both become {job.target}; "
                "upscale them by two commands, with a folder each"
            )
        targets[target] = job
        if job.target.is_dir():
            raise UserError(f"{job.target}: is a folder, and {job.source} would become it; name another -o")
    return jobs
