"""Checks data sets: counts, sizes, alignment of HR and LR, LMDB, and whether benchmark files are the known ones."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ssiu_arch.data.copies import Copy, compare, match, named, recognise
from ssiu_arch.data.images import BadImage, Image, decode_image, list_images, read_image
from ssiu_arch.data.known_sets import set_of
from ssiu_arch.data.lmdb_sets import MetaLine, open_lmdb, read_meta
from ssiu_arch.utils import lmdb_health, option_yaml
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.image_files import require_folder

SAMPLE = 64  # pairs of an LMDB compared pixel by pixel, at most


@dataclass(frozen=True)
class PairedSet:
    """HR and LR images of one scale: two folders or two LMDB; fields as in BasicSR's option files."""

    dataroot_gt: Path
    dataroot_lq: Path
    scale: int
    filename_tmpl: str = "{}"


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


def _from_options(path: Path) -> Iterator[PairedSet]:
    """The paired sets under ``datasets:`` of a BasicSR option file."""
    options = option_yaml.load(path)
    datasets = options.get("datasets")
    if not isinstance(datasets, dict) or not datasets:
        raise UserError(f"{path}: has no data sets under 'datasets:'")
    for phase, dataset in datasets.items():
        given = dataset if isinstance(dataset, dict) else {}
        gt, lq = given.get("dataroot_gt"), given.get("dataroot_lq")
        if not isinstance(gt, str) or not isinstance(lq, str):
            raise UserError(f"{path}: datasets: {phase}: needs dataroot_gt and dataroot_lq, both folders")
        template = given.get("filename_tmpl", "{}")
        if not re.fullmatch(r"[^{}]*\{\}[^{}]*", str(template)):
            raise UserError(f"{path}: datasets: {phase}: filename_tmpl ({template!r}) must have one {{}}, as in {{}}x4")
        scale = given.get("scale", options.get("scale"))
        if not isinstance(scale, int) or scale < 1:
            raise UserError(f"{path}: scale ({scale!r}) must be a whole number of at least 1")
        yield PairedSet(Path(gt).expanduser(), Path(lq).expanduser(), scale, template)


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


def _verify_folders(pair: PairedSet) -> Report:
    gt, lq = list_images(pair.dataroot_gt), list_images(pair.dataroot_lq)
    if not gt:
        raise UserError(f"{pair.dataroot_gt}: holds no images")
    copy = recognise(set_of(pair.dataroot_gt.parent) or set_of(pair.dataroot_gt), gt)
    pairs, problems = match(gt, lq, pair.dataroot_lq, pair.scale, pair.filename_tmpl)
    readers = ((hr, partial(read_image, hr), partial(read_image, lr)) for hr, lr in pairs.items())
    found, notes = compare(copy, readers, pair.scale)
    problems += copy.problems + found
    if copy.name is None:
        known = "no benchmark known here"
    else:
        known = f"not the published {copy.name}" if problems else f"the published {copy.name}"
    return Report(f"{len(gt)} pairs in folders, x{pair.scale}, {known}", copy.notes + notes, problems)


def _verify_lmdb(pair: PairedSet) -> Report:
    gt, lq = ({line.key: line for line in read_meta(folder)} for folder in (pair.dataroot_gt, pair.dataroot_lq))
    common = sorted(gt.keys() & lq.keys())
    problems, notes = [], list[str]()
    if single := sorted(gt.keys() ^ lq.keys()):
        problems.append(f"{named(single)}: only in one of the two meta_info.txt")
    unfit = [key for key in common if (lq[key].height * pair.scale, lq[key].width * pair.scale) != gt[key][1:3]]
    if unfit:
        sizes = f"GT {gt[unfit[0]].width}x{gt[unfit[0]].height}, LQ {lq[unfit[0]].width}x{lq[unfit[0]].height}"
        problems.append(f"{named(unfit)}: GT is not {pair.scale} x LQ ({sizes})")
    chosen = common[:: -(-len(common) // SAMPLE) or 1]
    for side, folder in (("HR", pair.dataroot_gt), ("LR", pair.dataroot_lq)):
        try:
            open_lmdb(folder).close()
            lmdb_health.check(side, str(folder), chosen)
        except UserError as error:
            problems.append(str(error))
    if not problems:
        readers = (
            (Path(key), partial(_stored, pair.dataroot_gt, gt[key]), partial(_stored, pair.dataroot_lq, lq[key]))
            for key in chosen
        )
        problems, notes = compare(Copy(None), readers, pair.scale, are_tiles=True)
    return Report(f"{len(common)} pairs in LMDB, x{pair.scale}", notes, problems or ([] if common else ["no pairs"]))


def _stored(folder: Path, line: MetaLine) -> Image:
    with open_lmdb(folder) as env, env.begin() as transaction:
        image = decode_image(transaction.get(line.key.encode()) or b"", f"{folder}/{line.key}")
    if image.shape != line[1:]:
        raise BadImage(f"{folder}/{line.key}: is {image.shape}, meta_info.txt says {line[1:]}")
    return image
