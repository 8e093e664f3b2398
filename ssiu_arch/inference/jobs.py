"""Upscaling files: which images are read, where results go, what is done already, and how one file is upscaled."""

import glob
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ssiu_arch.inference.formats import NOT_TURNED, check_format, encode
from ssiu_arch.inference.photo import FORMATS, READ_ONLY, photo_size, read_photo
from ssiu_arch.inference.upscaler import Advance, Upscaler
from ssiu_arch.utils.errors import UserError, printable
from ssiu_arch.utils.files import existing_parent, sha256, write_file, writing
from ssiu_arch.utils.image_files import BadImage
from ssiu_arch.utils.memory import is_out_of_memory

READ = (*FORMATS, *READ_ONLY)  # endings of the files that are read
LOSSY = ("JPEG", "WEBP", "AVIF")  # written with a quality
RECORDS = ".ssiu_upscale.jsonl"

LeftOut = list[tuple[str, Path]]  # what is no image, with its kind


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
            left_out: LeftOut = []
            for path, place in _images(text, out, left_out):
                found.setdefault(os.path.abspath(path), (path, place))
            if left_out:
                say(f"{text}: left out {_summary(left_out)}")
        return _placed(list(found.values()), inputs, out, suffix)
    except OSError as error:  # such as a name that is too long
        raise UserError(f"{error.filename}: cannot be used ({error.strerror})") from error


def _images(text: str, out: Path, left_out: LeftOut) -> list[tuple[Path, Path]]:
    """The image files that ``text`` names, with their places in the output folder; others go to ``left_out``."""
    path = Path(text)
    if path.is_dir():
        base, found = path, _walk(path, left_out)
    elif path.exists():
        if path.suffix.lower() not in READ:
            raise UserError(f"{path}: does not end with {', '.join(READ)}")
        return [(path, Path(path.name))]
    elif glob.has_magic(text):
        base = next(parent for parent in path.parents if not glob.has_magic(str(parent)))
        found = [Path(match) for match in sorted(glob.glob(text, recursive=True)) if not os.path.isdir(match)]
    else:
        raise UserError(f"{path}: no such file or folder (the current folder is {os.getcwd()})")
    if _real(out) == _real(path):
        raise UserError(f"-o {out}: is the folder of the images; name another")
    if _real(base) in _real(out).parents:
        found = [file for file in found if not _real(file).is_relative_to(_real(out))]
    left_out += [(kind, file) for file in found if (kind := file.suffix.lower() or "file without ending") not in READ]
    images = [file for file in found if file.suffix.lower() in READ]
    if not images:
        also = f"; it holds {_summary(left_out)}" if left_out else ""
        raise UserError(f"{text}: {'holds' if path.is_dir() else 'matches'} no image ({', '.join(READ)}){also}")
    return [(file, file.relative_to(path) if path.is_dir() else Path(file.name)) for file in images]


def _walk(folder: Path, left_out: LeftOut) -> list[Path]:
    """The files in ``folder`` and its subfolders, sorted; without hidden ones."""

    def unreadable(error: OSError) -> None:
        left_out.append(("unreadable folder", Path(error.filename)))

    found = []
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        left_out += [("linked folder", Path(name)) for name in folders if os.path.islink(os.path.join(parent, name))]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _summary(left_out: LeftOut) -> str:
    """How many of which kind, with an example: ``.txt (2, such as a.txt), linked folder (1, such as more)``."""
    examples, counts = dict(left_out), Counter(kind for kind, _ in left_out)
    return ", ".join(f"{kind} ({count}, such as {examples[kind].name})" for kind, count in counts.most_common())


def _placed(found: list[tuple[Path, Path]], inputs: list[str], out: Path, suffix: str | None) -> list[Job]:
    """The jobs of images, each given with its place in the output folder."""
    if out.suffix.lower() in READ_ONLY and not out.is_dir():
        raise UserError(f"-o {out}: {out.suffix} is read and not written; use {', '.join(FORMATS)}, or name a folder")
    is_file = out.suffix.lower() in FORMATS and not out.is_dir()
    if is_file:
        if len(found) > 1 or Path(inputs[0]).is_dir():
            raise UserError(f"-o {out}: names one image file, and there are several inputs; name a folder")
        if suffix and FORMATS[suffix] != FORMATS[out.suffix.lower()]:
            raise UserError(f"-o {out}: does not end with {suffix}, which --format asks for")
    folder = existing_parent(out.parent if is_file else out)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"-o {out}: {folder} is not {'a folder' if not folder.is_dir() else 'writable'}; name another")
    sources = {_real(path) for path, _ in found}
    jobs: dict[Path, Job] = {}
    for path, place in found:
        ending = suffix or READ_ONLY.get(path.suffix.lower(), path.suffix)
        job = Job(path, out if is_file else (out / place).with_suffix(ending))
        target = _real(job.target)
        if target in sources:
            raise UserError(f"{job.target}: is one of the input images; name another -o")
        if target in jobs:
            said = f"have the same output {job.target}; upscale them by two commands, with a folder each"
            raise UserError(f"{jobs[target].source} and {path}: {said}")
        if os.path.isdir(job.target):
            raise UserError(f"{job.target}: is a folder, where the output of {path} belongs; name another -o")
        jobs[target] = job
    return list(jobs.values())


def _real(path: Path) -> Path:
    """``path`` without links; links in a circle stay as they are, where ``Path.resolve`` raises an error."""
    return Path(os.path.realpath(path))


class Records:
    """What made the results in each output folder, in a hidden file there: a repeated run does only what is left.

    Each result has a line of JSON: its name, the SHA-256 of its bytes, and what made it. It is appended just before the
    result gets its name: after a kill there may be a record without a result, never a result without its record.
    Several processes may append at once, and see each other's lines. A line that is cut off is ignored.

    Args:
        options: what a result depends on beside its image, such as the SHA-256 of the weights.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self._known: dict[tuple[Path, str], Any] = {}  # by result and its SHA-256
        self._read: dict[Path, int] = {}  # bytes of each file that ``_known`` has

    def _made_of(self, job: Job) -> dict[str, Any]:
        kept = {name: value for name, value in self.options.items() if name != "quality" or job.form in LOSSY}
        return {"image": sha256(job.source), **kept}

    def add(self, job: Job, data: bytes) -> None:
        """Record that ``data`` will be written to ``job.target``."""
        of = {"result": job.target.name, "sha256": hashlib.sha256(data).hexdigest(), **self._made_of(job)}
        path = job.target.with_name(RECORDS)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab", buffering=0) as file:
                file.write(f"\n{json.dumps(of)}\n".encode())  # in one write, apart from what a killed process left

    def is_done(self, job: Job) -> bool:
        """Whether the result is there, of the same image, weights and options; ``BadImage``: a file of others is."""
        target = job.target
        if not os.path.exists(target):
            return False
        key = target, sha256(target) if os.path.isfile(target) and os.access(target, os.R_OK) else ""
        if key not in self._known:  # the first result of this folder, or one that another process has just written
            self._read_new(target.with_name(RECORDS))
        if key not in self._known:
            raise BadImage(f"{target}: exists, and is not as this command wrote it; --overwrite replaces it")
        return bool(self._known[key] == self._made_of(job))

    def _read_new(self, path: Path) -> None:
        """Read the lines that were appended to ``path`` since the last call."""
        # A folder may hold thousands of files that no record names, and each of them asks here. All of ``path`` again
        # for each would take hours, so only what follows the last whole line is read; lines are never changed.
        if not path.is_file() or not os.access(path, os.R_OK):
            return
        with open(path, "rb") as file:
            file.seek(self._read.get(path, 0))
            lines, end, _ = file.read().rpartition(b"\n")
        self._read[path] = self._read.get(path, 0) + len(lines + end)
        for line in lines.splitlines():
            try:
                record = json.loads(line)
                self._known[path.with_name(record.pop("result")), record.pop("sha256")] = record
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # cut off by a kill, or not ours


def upscale_file(
    job: Job,
    upscaler: Upscaler,
    *,
    quality: int = 95,
    records: Records | None = None,
    advance: Advance = lambda share: None,
) -> tuple[int, int]:
    """Enlarge ``job.source`` into ``job.target``, written atomically; height and width of the result.

    Where the format changes, the image is turned upright: many viewers ignore a PNG's orientation. For ``quality`` see
    ``encode``, for ``advance`` see ``Upscaler.bands``. The result is recorded in ``records``.

    Raises:
        UserError: the image cannot be read, does not fit in memory, or cannot be written in that format.
    """
    name = printable(job.source)
    try:
        upscaler.check_memory(*photo_size(job.source))
        photo = read_photo(job.source)
        if job.form != photo.format or job.form in NOT_TURNED:
            photo = photo.upright()
        check_format(photo, job.form, upscaler.upscale, name)
        photo = replace(photo, samples=upscaler(photo.samples, advance))
        data, dropped = encode(photo, job.form, quality)
    except UserError as error:
        raise BadImage(f"{name}: {str(error).removeprefix(f'{name}: ')}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise BadImage(f"{name}: out of memory; try --tile 256, or cut the image into parts") from error
    if records:
        records.add(job, data)
    write_file(job.target, data)
    if dropped:
        log.warning(f"{name}: not kept in the {job.form} file: {', '.join(dropped)}")
    return photo.size


log = logging.getLogger("basicsr")
