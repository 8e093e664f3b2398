"""From source images to LMDB sets of sub-images: estimated, in parallel, resumable.

In the folder of a set named ``DF2K`` this writes ``DF2K_HR_sub.lmdb``, ``DF2K_LR_bicubic_X4_sub.lmdb``
(and so for each scale), ``meta_info_DF2K_sub.txt`` and last ``DF2K_sub.json``, the record by which a
finished set is known again. While it runs, ``.DF2K_work`` holds a shard per image and output. What a
step has written counts only once it has its final name, so a run that is killed at any point goes on
from there, and the result is the same to the byte (with the same version of OpenCV, which writes the PNG).
"""

import hashlib
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from ssiu_arch.data.images import RULES as IMAGE_RULES
from ssiu_arch.data.images import BadImage
from ssiu_arch.data.lmdb_sets import BATCH_BYTES, stored_size, write_lmdb
from ssiu_arch.data.script import SetIncomplete, printable
from ssiu_arch.data.shards import is_shard_of, write_shard
from ssiu_arch.data.sources import Source, check_keys
from ssiu_arch.data.sub_images import RULES, Recipe, TooSmall, cut
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import existing_parent, locked, read_json, size_text, write_file, write_json, writing

SAMPLE = 4  # images cut to estimate the disk space of a set


@dataclass(frozen=True)
class SubImageSet:
    """A set of sub-images: its name, its folder and how it is cut."""

    name: str
    folder: Path
    recipe: Recipe

    @property
    def record(self) -> Path:
        """Written last."""
        return self.folder / f"{self.name}_sub.json"

    @property
    def meta_info(self) -> Path:
        """The HR sub-images as BasicSR's ``meta_info_file`` lists them."""
        return self.folder / f"meta_info_{self.name}_sub.txt"

    @property
    def work(self) -> Path:
        """Shards, until the set is finished."""
        return self.folder / f".{self.name}_work"

    @property
    def lock(self) -> Path:
        """Held by the run that prepares the set."""
        return self.folder / f".{self.name}.lock"

    @property
    def merging(self) -> Path:
        """Written when all shards are there: from which images the LMDB are made."""
        return self.work / "merging.json"

    def lmdb(self, output: str) -> Path:
        """The folder of the output ``HR``, ``X2``, ``X3`` or ``X4``."""
        kind = "HR" if output == "HR" else f"LR_bicubic_{output}"
        return self.folder / f"{self.name}_{kind}_sub.lmdb"

    def shard(self, output: str, source: Source) -> Path:
        """Where the tiles of ``source`` for ``output`` wait."""
        return self.work / output / f"{source.key}.shard"

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the bytes of the set, apart from the images."""
        return {**asdict(self.recipe), "scales": sorted(self.recipe.scales), "rules": RULES}


def is_finished(target: SubImageSet, sources: Sequence[Source] | None = None) -> bool:
    """Whether ``target`` is complete, made with these settings and, if given, from these ``sources``.

    Raises:
        UserError: If there is a finished set of that name that is another one, or is damaged.
    """
    record = read_json(target.record)
    if record is None:
        return False
    if not isinstance(record, dict) or not {"settings", "sources", "images", "files"} <= record.keys():
        raise UserError(f"{target.record}: is no record of a prepared set; move it, or use --force")
    if record["settings"] != target.settings:
        mine, theirs = target.settings, record["settings"]
        changes = ", ".join(f"{key} {theirs.get(key)} not {mine[key]}" for key in mine if mine[key] != theirs.get(key))
        raise UserError(f"{target.record}: the set was made with {changes}; ask for that, or replace it with --force")
    if sources is not None and record["sources"] != _digest(sources):
        raise UserError(
            f"{target.record}: the set was made from {record['images']} images that have changed since; "
            "replace it with --force, or give the new one another name"
        )
    for name, size in record["files"].items():
        path = target.folder / name
        if not path.is_file() or path.stat().st_size != size:
            found = f"has {path.stat().st_size} bytes" if path.is_file() else "is missing"
            raise UserError(f"{path}: {found}, {size} bytes were written; make the set again with --force")
    return True


def prepare(
    target: SubImageSet,
    sources: Sequence[Source],
    *,
    jobs: int = 1,
    force: bool = False,
    skip_bad: bool = False,
    dry_run: bool = False,
) -> None:
    """Make ``target`` from ``sources``, or recognise that it is made; see the head of this module.

    Raises:
        SetIncomplete: If images were bad, and named, without ``skip_bad``; the others are kept ready.
        UserError: If the set cannot be made or something else is in its place.
    """
    if not sources:
        raise UserError(f"{target.folder}: there are no images to make {target.name} from")
    if not force and is_finished(target, sources):
        shutil.rmtree(target.work, ignore_errors=True)
        target.lock.unlink(missing_ok=True)
        say(f"{target.name}: finished before, nothing to do ({target.record})")
        return
    check_keys(sources)
    if dry_run:
        _estimate(target, sources, sources, jobs)
        return
    with locked(target.lock):
        _claim(target, force)
        used = _merge_begun(target, sources)
        if used is None:
            left_out = _cut_all(target, sources, jobs, skip_bad)
            used = [source for source in sources if source.key not in left_out]
            if not used:
                raise UserError(f"{target.folder}: none of the {len(sources)} images can be used")
            write_json(target.merging, {"sources": _digest(sources), "used": [source.key for source in used]})
        _merge(target, sources, used)


def _claim(target: SubImageSet, force: bool) -> None:
    """Make the folder of work ours; with ``force`` clear the place, without it refuse to touch what is there."""
    settings = target.work / "settings.json"
    outputs = [target.lmdb(output) for output in ("HR", "X2", "X3", "X4")]
    with writing(target.folder):
        if force:
            target.record.unlink(missing_ok=True)
            for folder in (*outputs, target.work):
                if folder.exists():
                    shutil.rmtree(folder)
        begun = read_json(settings)
        if begun is None:
            for path in (*(target.lmdb(output) for output in target.recipe.outputs), target.meta_info):
                if path.exists() and not force:
                    raise UserError(f"{path}: is already there and not of this preparation; move it, or use --force")
            write_json(settings, target.settings)
        elif begun != target.settings:
            raise UserError(
                f"{target.work}: holds an unfinished preparation with other settings ({begun}); "
                "finish it with these, or start over with --force"
            )


def _merge_begun(target: SubImageSet, sources: Sequence[Source]) -> list[Source] | None:
    """The sources whose shards were being moved into LMDB when an earlier run ended, or None before that stage."""
    note = read_json(target.merging)
    if note is None:
        return None
    if note["sources"] != _digest(sources):
        raise UserError(f"{target.folder}: the images changed while the sets were written; start over with --force")
    used = set(note["used"])
    return [source for source in sources if source.key in used]


def _estimate(target: SubImageSet, sources: Sequence[Source], waiting: Sequence[Source], jobs: int) -> None:
    """Say what will be written where and how large it is, and refuse if the disk is too small."""
    count = min(SAMPLE, len(waiting))
    sample = [waiting[i * len(waiting) // count] for i in range(count)]
    read, made = 0, dict.fromkeys(target.recipe.outputs, 0)
    with _pool(jobs) as pool:
        for source, tiles in zip(sample, pool.map(lambda source: _try_cut(source, target.recipe), sample), strict=True):
            read += source.size if tiles else 0
            for output in tiles:
                made[output] += sum(stored_size(len(tile.png)) for tile in tiles[output])
    share = 1 / read if read else 0.0
    total, rest = sum(source.size for source in sources), sum(source.size for source in waiting)
    sizes = {output: amount * share * total for output, amount in made.items()}
    needed = sum(made.values()) * share * rest + min(max(sizes.values()), BATCH_BYTES)  # one batch is there twice
    free = shutil.disk_usage(existing_parent(target.folder)).free

    say(f"{target.name}: {len(sources)} images, {size_text(total)}, sub-images of {target.recipe.size} pixels. Writes")
    for output, size in sizes.items():
        say(f"  {target.lmdb(output)}  about {size_text(size)}")
    say(f"Disk: about {size_text(needed)} while working, {size_text(free)} free. How images are read:")
    say(IMAGE_RULES)
    if needed > free:
        raise UserError(
            f"{target.folder}: about {size_text(needed)} needed, {size_text(free)} free; make room, use "
            "another --root, fewer --scales or a larger --step"
        )


def _try_cut(source: Source, recipe: Recipe) -> dict[str, Any]:
    try:
        return cut(source, recipe)
    except BadImage:
        return {}


def _cut_all(target: SubImageSet, sources: Sequence[Source], jobs: int, skip_bad: bool) -> set[str]:
    """Write the shards that are not there yet, name every image that cannot be used, and return the keys of these."""
    outputs = target.recipe.outputs
    waiting = [item for item in sources if not all(is_shard_of(target.shard(output, item), item) for output in outputs)]
    if waiting:
        _estimate(target, sources, waiting, jobs)
    bad: set[str] = set()
    small: set[str] = set()

    def work(source: Source) -> None:
        for output, tiles in cut(source, target.recipe).items():
            write_shard(target.shard(output, source), source, tiles)

    done = len(sources) - len(waiting)
    with tqdm(total=len(sources), initial=done, unit="image", desc="sub-images", file=sys.stderr) as bar:
        for source, future in _in_parallel(work, waiting, jobs):
            try:
                future.result()
            except TooSmall as problem:
                small.add(source.key)
                bar.write(printable(f"left out: {problem}"), sys.stderr)
            except BadImage as problem:
                bad.add(source.key)
                bar.write(printable(f"bad: {problem}"), sys.stderr)
            bar.update()
    if bad and not skip_bad:
        raise SetIncomplete(
            f"{len(bad)} of {len(sources)} images could not be used, see above; the others are ready. Repair or "
            "remove these and run the same command again, or finish without them by --skip-bad"
        )
    return bad | small


def _in_parallel(work: Any, items: Iterable[Source], jobs: int) -> Iterator[tuple[Source, "Future[None]"]]:
    """Run ``work`` on ``items`` in ``jobs`` threads and yield the futures as they end.

    Threads suffice, since OpenCV and numpy work without Python's lock, and none outlives a kill. No more
    than two items a thread are under way, whatever their number.
    """
    with _pool(jobs) as pool:
        pending: dict[Future[None], Source] = {}
        try:
            for item in items:
                pending[pool.submit(work, item)] = item
                if len(pending) >= 2 * jobs:
                    for future in wait(pending, return_when=FIRST_COMPLETED).done:
                        yield pending.pop(future), future
            while pending:
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(future), future
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _pool(jobs: int) -> ThreadPoolExecutor:
    cv2.setNumThreads(1)
    return ThreadPoolExecutor(jobs)


def _merge(target: SubImageSet, sources: Sequence[Source], used: Sequence[Source]) -> None:
    """Move the shards of ``used`` into LMDB, and leave meta information and the record."""
    made = {}
    with tqdm(total=len(used) * len(target.recipe.outputs), unit="image", desc="LMDB", file=sys.stderr) as bar:
        for output in target.recipe.outputs:
            folder = target.lmdb(output)
            if folder.exists():
                bar.update(len(used))
            else:
                shards = [target.shard(output, source) for source in used]
                write_lmdb(folder, shards, target.work / f"{output}.json", bar.update)
            for name in ("data.mdb", "meta_info.txt"):
                made[f"{folder.name}/{name}"] = (folder / name).stat().st_size

    lines = (target.lmdb("HR") / "meta_info.txt").read_text(encoding="ascii").splitlines()
    write_file(target.meta_info, "".join(f"{line.rsplit(' ', 1)[0]}\n" for line in lines).encode())
    write_json(
        target.record,
        {
            "settings": target.settings,
            "images": len(used),
            "left_out": sorted({source.key for source in sources} - {source.key for source in used}),
            "sub_images": len(lines),
            "sources": _digest(sources),
            "files": made,
        },
    )
    shutil.rmtree(target.work, ignore_errors=True)
    size = size_text(sum(made.values()))
    say(f"{target.name}: {len(used)} images, {len(lines)} sub-images a set, {size} in {target.folder}")


def _digest(sources: Sequence[Source]) -> str:
    """What tells one list of source images from another: keys, sizes and LR files."""
    lines = sorted(f"{source.key} {source.size} {source.lr.size if source.lr else ''}" for source in sources)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def say(text: str) -> None:
    """Tell the user on stdout, at once."""
    print(*map(printable, text.split("\n")), sep="\n", flush=True)
