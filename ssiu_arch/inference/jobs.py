"""Upscaling files: which images are read, where their results go, what is done already, and one file's way."""

import glob
import logging
import os
import stat
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ssiu_arch.inference.formats import NOT_TURNED, check_format, encode
from ssiu_arch.inference.photo import FORMATS, READ_ONLY, photo_size, read_photo
from ssiu_arch.inference.records import Records
from ssiu_arch.inference.upscaler import Advance, Upscaler, upscaled_alpha
from ssiu_arch.utils.errors import UserError, printable
from ssiu_arch.utils.files import existing_parent, sha256, write_file
from ssiu_arch.utils.image_files import BadImage
from ssiu_arch.utils.memory import is_out_of_memory

READ = (*FORMATS, *READ_ONLY)  # endings of the files that are read
LOSSY = ("JPEG", "WEBP", "AVIF")  # written with a quality

LeftOut = dict[str, list[Path]]  # what is no image, by kind


@dataclass(frozen=True)
class Job:
    """One image file and the file of its result."""

    source: Path
    target: Path

    @property
    def form(self) -> str:
        """Pillow's name of the target's format."""
        return FORMATS[self.target.suffix.lower()]


def find_jobs(
    inputs: list[str], out: Path, suffix: str | None, say: Callable[[str], object] = lambda line: None
) -> list[Job]:
    """The files that ``inputs`` name, in order, each once.

    Args:
        inputs: files, folders (searched recursively), or patterns with ``*``, ``?``, ``[]`` and ``**``. Folders and
            patterns ignore files already in ``out``.
        out: a folder, where subfolders of the inputs are kept; or for a single image the file of its result.
        suffix: of all results, such as ``.png``; None: that of their images.
        say: called with a line for each input of which something is left out.

    Raises:
        UserError: an input names no image; two images have the same result; or a result would replace an image.
    """
    try:
        found: dict[str, tuple[Path, Path]] = {}
        for text in inputs:
            left_out: LeftOut = defaultdict(list)
            for path, place in _files(text, out, left_out):
                found.setdefault(os.path.abspath(path), (path, place))
            if left_out:
                say(f"{text}: left out {_summary(left_out)}")
        return _checked(_placed(list(found.values()), inputs, out, suffix))
    except OSError as error:  # such as a name that is too long
        raise UserError(f"{error.filename}: cannot be used ({error.strerror})") from error


def _placed(found: list[tuple[Path, Path]], inputs: list[str], out: Path, suffix: str | None) -> list[Job]:
    """The jobs of images, each given with its place in the output folder."""
    is_file = out.suffix.lower() in FORMATS and not out.is_dir()
    if is_file:
        if len(found) > 1 or Path(inputs[0]).is_dir():
            raise UserError(f"-o {out}: names one image file, and there are several inputs; name a folder")
        if suffix and FORMATS[suffix] != FORMATS[out.suffix.lower()]:
            raise UserError(f"-o {out}: does not end with {suffix}, which --format asks for")
        jobs = [Job(path, out) for path, _ in found]
    else:
        jobs = [Job(path, (out / place).with_suffix(suffix or _suffix(path))) for path, place in found]
    folder = existing_parent(out.parent if is_file else out)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"-o {out}: {folder} is not {'a folder' if not folder.is_dir() else 'writable'}; name another")
    return jobs


def pixels_left(job: Job, options: dict[str, Any], records: Records, *, overwrite: bool = False) -> int:
    """The pixels of the image; 0 if its result is done already, by the same image, weights and options.

    Args:
        job: what to do.
        options: everything else that a result depends on, such as the SHA-256 of the weights.
        records: of results.
        overwrite: whether to redo and replace everything.

    Raises:
        BadImage: the image cannot be read; or a file of the result's name exists that this command did not write.
    """
    if not stat.S_ISREG(_status(job.source).st_mode):
        raise BadImage(f"{job.source}: is a pipe, socket or device, not a file; left out")
    if not overwrite and os.path.exists(job.target):
        made_of = records.made_of(job.target) if os.path.isfile(job.target) else None
        if made_of is None:
            raise BadImage(f"{job.target}: exists, and is not as this command wrote it; --overwrite replaces it")
        if made_of == _made_of(job, options):
            return 0
    height, width = photo_size(job.source)
    return height * width


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise BadImage(f"{path}: cannot be read ({error.strerror})") from error


def _made_of(job: Job, options: dict[str, Any]) -> dict[str, Any]:
    """What the result depends on: the image and the options that matter in its format."""
    kept = {name: value for name, value in options.items() if name != "quality" or job.form in LOSSY}
    return {"image": sha256(job.source), **kept}


def upscale_file(
    job: Job,
    upscaler: Upscaler,
    options: dict[str, Any],
    records: Records,
    advance: Advance = lambda share: None,
) -> tuple[int, int]:
    """Enlarge ``job.source`` into ``job.target``, written atomically; height and width of the result.

    Where the format changes, the image is turned upright: many viewers ignore a PNG's orientation.

    Args:
        job: what to do.
        upscaler: the network.
        options: see ``pixels_left``; ``quality``, see ``encode``, among them.
        records: of results, where this one is added.
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
        data, dropped = encode(photo, job.form, options["quality"])
        made_of = _made_of(job, options)
    except UserError as error:
        said = str(error)
        raise BadImage(said if said.startswith(f"{job.source}: ") else f"{job.source}: {said}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise BadImage(f"{job.source}: out of memory; try --tile 256, or cut the image into parts") from error
    records.add(job.target, data, made_of)
    write_file(job.target, data)
    if dropped:
        log.warning(f"{printable(job.source)}: not kept in the {job.form} file: {', '.join(dropped)}")
    return photo.size


def _suffix(path: Path) -> str:
    """The ending of the result of ``path``."""
    return READ_ONLY.get(path.suffix.lower(), path.suffix)


def _files(text: str, out: Path, left_out: LeftOut) -> list[tuple[Path, Path]]:
    """The image files that ``text`` names, with their places in the output folder; others go to ``left_out``."""
    path = Path(text)
    searched = path
    if path.is_dir():
        files = [(file, file.relative_to(path)) for file in _walk(path, out, left_out)]
    elif path.exists():
        if path.suffix.lower() not in READ:
            raise UserError(f"{path}: does not end with {', '.join(READ)}")
        return [(path, Path(path.name))]
    elif glob.has_magic(text):
        named = sorted(Path(match) for match in glob.glob(text, recursive=True))
        files = [(file, Path(file.name)) for file in named if not file.is_dir() and _is_image(file, left_out)]
        searched = next(parent for parent in path.parents if not glob.has_magic(str(parent)))
    else:
        raise UserError(f"{path}: no such file or folder (the current folder is {os.getcwd()})")
    if _real(out) == _real(path):
        raise UserError(f"-o {out}: is the folder of the images; name another")
    if _real(out).is_relative_to(_real(searched)) and _real(out) != _real(searched):
        files = [(file, place) for file, place in files if not _real(file).is_relative_to(_real(out))]
    if not files:
        also = f"; it holds {_summary(left_out)}" if left_out else ""
        raise UserError(f"{text}: {'holds' if path.is_dir() else 'matches'} no image ({', '.join(READ)}){also}")
    return files


def _walk(folder: Path, out: Path, left_out: LeftOut) -> list[Path]:
    """The images in ``folder`` and its subfolders, sorted; without hidden ones and those in ``out``."""
    found = []

    def unreadable(error: OSError) -> None:
        left_out["unreadable folder"].append(Path(error.filename))

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        here = [Path(parent, name) for name in folders if not name.startswith(".")]
        left_out["linked folder"] += [path for path in here if path.is_symlink()]
        folders[:] = [path.name for path in here if _real(path) != _real(out)]
        files = [Path(parent, name) for name in names if not name.startswith(".")]
        found += [path for path in files if _is_image(path, left_out)]
    if not left_out["linked folder"]:
        del left_out["linked folder"]
    return sorted(found)


def _is_image(path: Path, left_out: LeftOut) -> bool:
    """Whether ``path`` has the ending of an image; adds it to ``left_out`` if not."""
    ending = path.suffix.lower()
    if ending not in READ:
        left_out[ending or "file without ending"].append(path)
    return ending in READ


def _summary(left_out: LeftOut) -> str:
    """How many of which kind, with an example: ``.txt (2, such as a.txt), linked folder (1, such as more)``."""
    kinds = sorted(left_out.items(), key=lambda item: -len(item[1]))
    return ", ".join(f"{kind} ({len(paths)}, such as {paths[0].name})" for kind, paths in kinds)


def _real(path: Path) -> Path:
    """``path`` without links; links in a circle stay as they are, where ``Path.resolve`` raises an error."""
    return Path(os.path.realpath(path))


def _checked(jobs: list[Job]) -> list[Job]:
    sources = {_real(job.source) for job in jobs}
    targets: dict[Path, Job] = {}
    for job in jobs:
        target = _real(job.target)
        if target in sources:
            raise UserError(f"{job.target}: is one of the input images; name another -o")
        if target in targets:
            raise UserError(
                f"{targets[target].source} and {job.source}: have the same output {job.target}; "
                "upscale them by two commands, with a folder each"
            )
        targets[target] = job
        if os.path.isdir(job.target):
            raise UserError(f"{job.target}: is a folder, where the output of {job.source} belongs; name another -o")
    return jobs


log = logging.getLogger("basicsr")
