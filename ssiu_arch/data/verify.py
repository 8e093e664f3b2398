"""Checks data sets: counts, sizes, alignment of HR and LR, LMDB, and whether benchmark files are the known ones."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssiu_arch.data.copies import Findings, compare, match, recognise
from ssiu_arch.data.faults import lr_fault, other_resize
from ssiu_arch.data.images import BadImage, Image, decode_image, list_images
from ssiu_arch.data.known_sets import set_name
from ssiu_arch.data.lmdb_sets import MetaLine, open_lmdb, read_meta
from ssiu_arch.data.sources import require_folder
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.utils import option_yaml
from ssiu_arch.utils.errors import UserError

SAMPLE = 64  # pairs of an LMDB compared pixel by pixel
BORDER = 4  # LR pixels at the border of a sub-image, which depend on HR pixels outside it


@dataclass(frozen=True)
class PairedSet:
    """HR and LR images of one scale: two folders or two LMDB; fields as in BasicSR's option files."""

    dataroot_gt: Path
    dataroot_lq: Path
    scale: int
    filename_tmpl: str = "{}"
    gt_size: int | None = None


@dataclass(frozen=True)
class Report:
    """The result of a check: a line on the set, notes, and problems."""

    summary: str
    notes: list[str]
    problems: list[str]


def find_pairs(path: Path) -> list[PairedSet]:
    """The sets in ``path``: an option file (``.yml``), or a folder of LMDB pairs or of benchmarks.

    Raises:
        UserError: ``path`` is neither, or holds no sets.
    """
    if path.suffix in (".yml", ".yaml"):
        return list(_from_options(path))
    require_folder(path)
    pairs = list(_from_folder(path))
    for child in sorted(path.iterdir()) if not pairs else []:
        if child.is_dir():
            pairs += _from_folder(child)
    if not pairs:
        raise UserError(
            f"{path}: holds neither NAME_HR_sub.lmdb nor folders HR and LR_bicubic/X4 as in Set5/HR; "
            "python datasets_prep/benchmarks.py --source FOLDER brings benchmarks into that layout"
        )
    return pairs


def verify(pair: PairedSet) -> Report:
    """Check one set.

    Raises:
        UserError: a folder or database is missing or cannot be read at all.
    """
    for side, folder in (("HR", pair.dataroot_gt), ("LR", pair.dataroot_lq)):
        if not folder.is_dir():
            raise UserError(f"{folder}: {side} is missing, there is no such folder")
    are_lmdb = {folder.suffix == ".lmdb" for folder in (pair.dataroot_gt, pair.dataroot_lq)}
    if len(are_lmdb) == 2:
        raise UserError(f"{pair.dataroot_gt} and {pair.dataroot_lq}: either both must be .lmdb or none")
    return _verify_lmdb(pair) if are_lmdb.pop() else _verify_folders(pair)


def _verify_lmdb(pair: PairedSet) -> Report:
    problems: list[str] = []
    metas = []
    for folder in (pair.dataroot_gt, pair.dataroot_lq):
        meta = read_meta(folder)
        problems += _check_database(folder, meta)
        metas.append({line.key: line for line in meta})
    gt, lq = metas
    problems += _first(sorted(gt.keys() ^ lq.keys()), lambda key: f"{key}: only in one of the two meta_info.txt")
    common = sorted(gt.keys() & lq.keys())
    sizes = ((key, _size_problem(gt[key], lq[key], pair)) for key in common)
    problems += next(([f"{key}: {problem}"] for key, problem in sizes if problem), [])
    notes: list[str] = []
    if not problems:
        chosen = [common[i * len(common) // SAMPLE] for i in range(SAMPLE)] if len(common) > SAMPLE else common
        with open_lmdb(pair.dataroot_gt) as gt_env, open_lmdb(pair.dataroot_lq) as lq_env:
            images = (
                (key, _stored(gt_env, pair.dataroot_gt, gt[key]), _stored(lq_env, pair.dataroot_lq, lq[key]))
                for key in chosen
            )
            problems, notes = _check_tiles(images, pair.scale)
    return Report(f"{len(common)} pairs in LMDB, x{pair.scale}", notes, problems)


def _check_database(folder: Path, meta: Sequence[MetaLine]) -> list[str]:
    """Problems of ``data.mdb``: its size, and keys that are not those of ``meta_info.txt``."""
    try:
        env = open_lmdb(folder)
    except UserError as error:
        return [str(error)]
    with env, env.begin() as transaction:
        stored = {key.decode("ascii", "backslashreplace") for key in transaction.cursor().iternext(values=False)}
    listed = {line.key for line in meta}
    problems = [] if meta else [f"{folder}/meta_info.txt: is empty"]
    if len(listed) < len(meta):
        problems.append(f"{folder}/meta_info.txt: {len(meta) - len(listed)} keys are listed twice")
    problems += _first(sorted(listed - stored), lambda key: f"{folder}: {key} is in meta_info.txt, not in data.mdb")
    problems += _first(sorted(stored - listed), lambda key: f"{folder}: {key} is in data.mdb, not in meta_info.txt")
    return problems


def _stored(env: Any, folder: Path, line: MetaLine) -> Image:
    with env.begin() as transaction:
        image = decode_image(transaction.get(line.key.encode()), f"{folder}/{line.key}")
    if image.shape != (line.height, line.width, line.channels):
        raise BadImage(f"{folder}/{line.key}: is {image.shape}, meta_info.txt says {line.height, line.width, 3}")
    return image


def _verify_folders(pair: PairedSet) -> Report:
    gt, lq = list_images(pair.dataroot_gt), list_images(pair.dataroot_lq)
    if not gt:
        raise UserError(f"{pair.dataroot_gt}: holds no images")
    copy = recognise(set_name(pair.dataroot_gt.parent.name) or set_name(pair.dataroot_gt.name), gt)
    pairs, problems = match(gt, lq, pair.dataroot_lq, pair.scale, pair.filename_tmpl)
    found, notes = compare(copy, pairs, pair.scale)
    problems += copy.problems + found
    if copy.name is None:
        known = "no benchmark known here"
    else:
        known = f"not the published {copy.name}" if problems else f"the published {copy.name}"
    return Report(f"{len(gt)} pairs in folders, x{pair.scale}, {known}", copy.notes + notes, problems)


def _check_tiles(images: Iterable[tuple[str, Image, Image]], scale: int) -> tuple[list[str], list[str]]:
    """Compare pairs of sub-images, but for their borders; returns problems and notes."""
    wrong, other, count = Findings(), Findings(), 0
    try:
        for key, hr, lr in images:
            count += 1
            inner = tuple(slice(BORDER, side - BORDER) if side > 2 * BORDER else slice(None) for side in lr.shape[:2])
            if not np.array_equal(make_lr(hr, scale)[inner], lr[inner]):
                fault = lr_fault(hr, lr, scale)
                (wrong if fault else other).add("LR", fault or other_resize(hr, lr, scale), key)
    except BadImage as problem:
        return [str(problem)], []
    return wrong.lines(count), other.lines(count)


def _size_problem(gt: MetaLine, lq: MetaLine, pair: PairedSet) -> str | None:
    if (lq.height * pair.scale, lq.width * pair.scale) != (gt.height, gt.width):
        return f"GT {gt.width}x{gt.height} is not {pair.scale} x LQ {lq.width}x{lq.height}"
    if pair.gt_size and min(gt.height, gt.width) < pair.gt_size:
        return f"GT {gt.width}x{gt.height} is smaller than gt_size {pair.gt_size}"
    return None


def _from_options(path: Path) -> Iterator[PairedSet]:
    """The paired sets under ``datasets:`` of a BasicSR option file."""
    options = option_yaml.load(path)
    datasets = options.get("datasets")
    if not isinstance(datasets, dict) or not datasets:
        raise UserError(f"{path}: has no data sets under 'datasets:'")
    for phase, dataset in datasets.items():
        if not isinstance(dataset, dict) or "dataroot_gt" not in dataset or "dataroot_lq" not in dataset:
            raise UserError(f"{path}: datasets: {phase}: needs dataroot_gt and dataroot_lq to be verified")
        scale = dataset.get("scale", options.get("scale"))
        gt_size = dataset.get("gt_size") if phase.startswith("train") else None
        if not isinstance(scale, int) or scale < 1:
            raise UserError(f"{path}: scale ({scale!r}) must be a whole number of at least 1")
        if gt_size is not None and (not isinstance(gt_size, int) or gt_size % scale):
            raise UserError(f"{path}: datasets: {phase}: gt_size ({gt_size!r}) must be a multiple of scale ({scale})")
        yield PairedSet(
            Path(dataset["dataroot_gt"]).expanduser(),
            Path(dataset["dataroot_lq"]).expanduser(),
            scale,
            dataset.get("filename_tmpl", "{}"),
            gt_size,
        )


def _from_folder(folder: Path) -> Iterator[PairedSet]:
    for gt in sorted(folder.glob("*_HR_sub.lmdb")):
        stem = gt.name.removesuffix("_HR_sub.lmdb")
        for scale in (2, 3, 4):
            lq = folder / f"{stem}_LR_bicubic_X{scale}_sub.lmdb"
            if lq.exists():
                yield PairedSet(gt, lq, scale)
    lr, is_set = folder / "LR_bicubic", (folder / "HR").is_dir() or (folder / "LR_bicubic").is_dir()
    there = [scale for scale in (2, 3, 4) if (lr / f"X{scale}").is_dir()]
    for scale in (there or [4]) if is_set else []:
        numbered = there and any(re.search(r"x\d$", path.stem) for path in list_images(lr / f"X{scale}"))
        yield PairedSet(folder / "HR", lr / f"X{scale}", scale, f"{{}}x{scale}" if numbered else "{}")


def _first(items: Sequence[Any], text: Callable[[Any], str]) -> list[str]:
    """``text`` of the first of ``items``, and how many more there are, in a list; an empty list without items."""
    more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
    return [text(item) + more for item in items[:1]]
