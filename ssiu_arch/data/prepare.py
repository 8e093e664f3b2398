"""Prepares LMDB sets of sub-images from source images: in parallel, and resumable after a kill.

A set named ``DF2K`` consists of ``DF2K_HR_sub.lmdb``, one ``DF2K_LR_bicubic_X4_sub.lmdb`` per scale, and
``DF2K_sub.json``, the record of a finished set. The preparation has two stages::

    images --cut--> .DF2K_work/OUTPUT/KEY.shard --merge--> OUTPUT.lmdb.partial --rename--> OUTPUT.lmdb
                                                ^ merging.json                             then DF2K_sub.json

A kill loses the shard or the database that was being written, nothing else, because each takes its final name only
when it is complete. ``merging.json`` separates the stages: from then on a missing shard means that its LMDB exists.
The result is the same to the byte, however often the run was killed (with the same OpenCV, which writes the PNG).
"""

import hashlib
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from ssiu_arch.data.images import RULES as IMAGE_RULES
from ssiu_arch.data.images import BadImage
from ssiu_arch.data.lmdb_sets import is_shard_of, read_meta, write_lmdb, write_shard
from ssiu_arch.data.script import SetIncomplete, say
from ssiu_arch.data.sources import Source, check_keys
from ssiu_arch.data.sub_images import RULES, Recipe, TooSmall, cut
from ssiu_arch.utils.errors import UserError, printable
from ssiu_arch.utils.files import locked, read_json, size_text, write_json, writing


class SubImageSet:
    """A set of sub-images: its name, its folder, how it is cut, and the files that belong to it.

    ``record`` is written last, ``merging`` when all shards exist. ``settings`` is everything that decides the bytes of
    the set, apart from the images.
    """

    def __init__(self, name: str, folder: Path, recipe: Recipe) -> None:
        self.name, self.folder, self.recipe = name, folder, recipe
        self.record = folder / f"{name}_sub.json"
        self.work = folder / f".{name}_work"
        self.merging = self.work / "merging.json"
        self.lock = folder / f".{name}.lock"
        self.settings: dict[str, Any] = {**asdict(recipe), "scales": sorted(recipe.scales), "rules": RULES}

    def lmdb(self, output: str) -> Path:
        """The folder of the output ``HR``, ``X2``, ``X3`` or ``X4``."""
        kind = "HR" if output == "HR" else f"LR_bicubic_{output}"
        return self.folder / f"{self.name}_{kind}_sub.lmdb"

    def shard(self, output: str, source: Source) -> Path:
        """The file of the tiles of ``source`` for ``output``."""
        return self.work / output / f"{source.key}.shard"


def is_finished(target: SubImageSet, sources: Sequence[Source] | None = None) -> bool:
    """Whether ``target`` is complete.

    Raises:
        UserError: it has other settings, was made from other images than ``sources`` (unless None), or is damaged.
    """
    record = read_json(target.record)
    if record is None:
        return False
    if not isinstance(record, dict) or not {"settings", "sources", "images", "files"} <= record.keys():
        raise UserError(f"{target.record}: is not the record of a prepared set; move it, or replace it with --force")
    if record["settings"] != target.settings:
        mine, theirs = target.settings, record["settings"]
        changes = ", ".join(f"{key} {theirs.get(key)} not {mine[key]}" for key in mine if mine[key] != theirs.get(key))
        raise UserError(f"{target.record}: the set was made with {changes}; use these, or replace it with --force")
    if sources is not None and record["sources"] != _digest(sources):
        raise UserError(
            f"{target.record}: the set was made from {record['images']} images that have changed since; "
            "replace it with --force, or give the new set another name"
        )
    for name, size in record["files"].items():
        path = target.folder / name
        if not path.is_file() or path.stat().st_size != size:
            found = f"has {path.stat().st_size} bytes" if path.is_file() else "is missing"
            raise UserError(f"{path}: {found}, expected {size} bytes; make the set again with --force")
    return True


def prepare(
    target: SubImageSet, sources: Sequence[Source], *, jobs: int = 1, force: bool = False, skip_bad: bool = False
) -> None:
    """Make ``target`` from ``sources`` in ``jobs`` threads, unless it is finished; see the head of this module.

    Raises:
        SetIncomplete: there were bad images, each named on stderr, without ``skip_bad``; the shards of the others stay.
        UserError: the set cannot be written, or would replace other files.
    """
    if not sources:
        raise UserError(f"{target.folder}: there are no images to make {target.name} from")
    if not force and is_finished(target, sources):
        shutil.rmtree(target.work, ignore_errors=True)
        target.lock.unlink(missing_ok=True)
        say(f"{target.name}: finished before, nothing to do ({target.record})")
        return
    check_keys(sources)
    with locked(target.lock, f"{target.lock.parent}: another run is preparing this set"):
        _claim(target, force)
        # From here on shards are removed as soon as they are in a database. So what was left out of the set is noted
        # first: a run after a kill can no longer tell it from a shard that is in a database already.
        note = read_json(target.merging)
        if note is None:
            left_out = _cut_all(target, sources, jobs, skip_bad)
            if len(left_out) == len(sources):
                raise UserError(f"{target.folder}: none of the {len(sources)} images can be used")
            note = {"sources": _digest(sources), "left_out": sorted(left_out)}
            write_json(target.merging, note)
        elif not isinstance(note, dict) or note.get("sources") != _digest(sources) or "left_out" not in note:
            raise UserError(
                f"{target.folder}: images changed during the preparation, or another version of this program began it; "
                "start over with --force"
            )
        _merge(target, [source for source in sources if source.key not in note["left_out"]], note)


def _claim(target: SubImageSet, force: bool) -> None:
    """Create the work folder; with ``force`` remove earlier files, without it refuse to replace them."""
    settings = target.work / "settings.json"
    with writing(target.folder):
        if force:
            target.record.unlink(missing_ok=True)
            for folder in (*map(target.lmdb, ("HR", "X2", "X3", "X4")), target.work):
                if folder.exists():
                    shutil.rmtree(folder)
        begun = read_json(settings)
        if begun is None:
            for path in map(target.lmdb, target.recipe.outputs):
                if path.exists() and not force:
                    raise UserError(f"{path}: exists, from elsewhere; move it, or replace it with --force")
            write_json(settings, target.settings)
        elif begun != target.settings:
            raise UserError(
                f"{target.work}: holds an unfinished preparation with other settings ({begun}); "
                "finish it with these, or start over with --force"
            )


def _cut_all(target: SubImageSet, sources: Sequence[Source], jobs: int, skip_bad: bool) -> set[str]:
    """Write the missing shards, name every unusable image on stderr, and return the keys of these."""
    outputs = target.recipe.outputs
    waiting = [item for item in sources if not all(is_shard_of(target.shard(output, item), item) for output in outputs)]
    if waiting:
        say(f"{target.name}: {len(sources)} images, read so:\n{IMAGE_RULES}")
        _say_size(target, sources, waiting[len(waiting) // 2])

    def work(source: Source) -> BadImage | None:
        try:
            tiles = cut(source, target.recipe)
        except BadImage as problem:
            return problem
        for output in outputs:
            write_shard(target.shard(output, source), source, tiles[output])
        return None

    left_out: dict[str, bool] = {}  # whether it is bad, not only small
    bar = tqdm(
        total=len(sources), initial=len(sources) - len(waiting), unit="image", desc="sub-images", file=sys.stderr
    )
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(jobs) as pool, bar:  # threads: OpenCV and numpy release Python's lock while they work
        futures = {pool.submit(work, source): source.key for source in waiting}
        try:
            for future in as_completed(futures):
                if problem := future.result():
                    is_bad = left_out[futures[future]] = not isinstance(problem, TooSmall)
                    bar.write(printable(f"{'bad' if is_bad else 'left out'}: {problem}"), sys.stderr)
                bar.update()
        finally:
            pool.shutdown(cancel_futures=True)
    if any(left_out.values()) and not skip_bad:
        raise SetIncomplete(
            f"{sum(left_out.values())} of {len(sources)} images are bad, see above; the others are ready. Replace or "
            "remove the bad ones and run the same command again, or leave them out with --skip-bad"
        )
    return set(left_out)


def _say_size(target: SubImageSet, sources: Sequence[Source], sample: Source) -> None:
    """Say how much disk the set takes, judged by one of its images; nothing if that one is bad."""
    with suppress(BadImage):
        tiles = cut(sample, target.recipe)
        share = sample.size / sum(source.size for source in sources)
        size = sum(len(tile.png) for output in tiles.values() for tile in output) / share
        free = size_text(shutil.disk_usage(target.folder).free)
        say(f"It takes about {size_text(size)} in {target.folder}, twice that while it is made; {free} are free.")


def _merge(target: SubImageSet, used: Sequence[Source], note: dict[str, Any]) -> None:
    """Write the LMDB from the shards of ``used``, then the record, which repeats ``note``."""
    files = {}
    with tqdm(total=len(used) * len(target.recipe.outputs), unit="image", desc="LMDB", file=sys.stderr) as bar:
        for output in target.recipe.outputs:
            folder = target.lmdb(output)
            if folder.exists():
                bar.update(len(used))
            else:
                write_lmdb(folder, [target.shard(output, source) for source in used], bar.update)
            shutil.rmtree(target.work / output, ignore_errors=True)
            for name in ("data.mdb", "meta_info.txt"):
                files[f"{folder.name}/{name}"] = (folder / name).stat().st_size
    count = len(read_meta(target.lmdb("HR")))
    record = {"settings": target.settings, "images": len(used), "sub_images": count, **note, "files": files}
    write_json(target.record, record)
    shutil.rmtree(target.work, ignore_errors=True)
    size = size_text(sum(files.values()))
    say(f"{target.name}: {len(used)} images, {count} sub-images per output, {size} in {target.folder}")


def _digest(sources: Sequence[Source]) -> str:
    """The hash of a list of source images: keys and sizes."""
    lines = sorted(f"{source.key} {source.size} " for source in sources)  # the space: as in earlier records
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
