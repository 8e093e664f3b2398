"""Checks data sets: counts, sizes, alignment of HR and LR, LMDB, and whether benchmark files are the known ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssiu_arch.data.bicubic import BICUBIC, bicubic_scores
from ssiu_arch.data.images import BadImage, Image, decode_image, list_images
from ssiu_arch.data.lmdb_sets import MetaLine, open_lmdb, read_meta
from ssiu_arch.data.names import COUNTS, set_name
from ssiu_arch.data.pairs import Pair, lr_path, read_pairs
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.utils.errors import UserError

SAMPLE = 64  # pairs of an LMDB compared pixel by pixel
BORDER = 4  # LR pixels at the border of a sub-image, which depend on HR pixels outside it
SAME_IMAGE = 20.0  # PSNR (dB) of LR and MATLAB's bicubic of HR, below which they show different images
PSNR_TOLERANCE, SSIM_TOLERANCE = 0.005, 0.0005  # the known scores have three and four digits


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
    if not path.is_dir():
        raise UserError(f"{path}: is neither a folder nor an option file (.yml)")
    pairs = list(_from_folder(path))
    for child in sorted(path.iterdir()) if not pairs else []:
        if child.is_dir():
            pairs += _from_folder(child)
    if not pairs:
        raise UserError(
            f"{path}: holds no NAME_HR_sub.lmdb and no HR with LR_bicubic; name them by --gt, --lq, --scale"
        )
    return pairs


def verify(pair: PairedSet) -> Report:
    """Check one set.

    Raises:
        UserError: a folder or database is missing or cannot be read at all.
    """
    for folder in (pair.dataroot_gt, pair.dataroot_lq):
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder")
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
            notes, problems = _check_alignment(images, pair.scale, BORDER)
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
    problems = []
    if len(gt) != len(lq):
        problems.append(f"{len(gt)} images in {pair.dataroot_gt}, {len(lq)} in {pair.dataroot_lq}")
    folders = (pair.dataroot_gt, pair.dataroot_lq, pair.scale, pair.filename_tmpl)
    missing = [path for path in gt if lr_path(path, *folders[1:]) is None]
    wanted = f"is missing in {pair.dataroot_lq} (filename_tmpl {pair.filename_tmpl!r})"
    problems += _first(missing, lambda path: f"{path}: its LR image {wanted}")
    summary = f"{len(gt)} pairs in folders, x{pair.scale}"
    if missing:
        return Report(summary, [], problems)

    images = ((path.stem, *images) for path, images in zip(gt, read_pairs(*folders), strict=True))
    notes, found = _check_alignment(images, pair.scale, 0)
    problems += found
    name = set_name(pair.dataroot_gt.parent.name)
    if name and not problems:
        line, problems = _check_benchmark(name, pair.scale, list(read_pairs(*folders)), bool(notes))
        summary += f", {line}"
    return Report(summary, notes, problems)


def _check_alignment(
    images: Iterable[tuple[str, Image, Image]], scale: int, border: int
) -> tuple[list[str], list[str]]:
    """Compare LR with MATLAB's bicubic of HR; returns notes and problems."""
    different = samples = 0
    problems: list[str] = []
    try:
        for key, hr, lr in images:
            expected = make_lr(hr, scale)
            if expected.shape != lr.shape:
                problems.append(f"{key}: HR {hr.shape[1::-1]} and LR {lr.shape[1::-1]} do not fit at x{scale}")
                continue
            inner = tuple(slice(border, side - border) if side > 2 * border else slice(None) for side in lr.shape[:2])
            error = expected[inner].astype(float) - lr[inner]
            different += int(np.count_nonzero(error))
            samples += error.size
            if np.mean(error**2) > 255**2 / 10 ** (SAME_IMAGE / 10):
                problems.append(f"{key}: LR does not show the same as HR{_shift_hint(expected, lr)}")
    except BadImage as problem:
        problems.append(str(problem))
    notes = []
    if different:
        notes.append(f"LR differs from MATLAB's bicubic of HR in {100 * different / samples:.1f} % of the samples")
    return notes, [*problems[:3], *([f"and {len(problems) - 3} more"] if len(problems) > 3 else [])]


def _shift_hint(expected: Image, lr: Image) -> str:
    """By how much LR is shifted, if a shift of up to 3 pixels fits much better than none; else an empty text."""
    reach = 3
    height, width = lr.shape[:2]
    if min(height, width) < 8 * reach:
        return ""
    core = expected[reach:-reach, reach:-reach].astype(float)
    errors = {
        (dy, dx): float(np.mean((core - lr[reach + dy : height - reach + dy, reach + dx : width - reach + dx]) ** 2))
        for dy in range(-reach, reach + 1)
        for dx in range(-reach, reach + 1)
    }
    dy, dx = min(errors, key=lambda shift: errors[shift])
    return f"; it is shifted by {dx} pixels to the right and {dy} down" if errors[dy, dx] < errors[0, 0] / 4 else ""


def _check_benchmark(name: str, scale: int, pairs: list[Pair], lr_differs: bool) -> tuple[str, list[str]]:
    """Compare the scores of bicubic with the known ones; returns them as a line, and problems."""
    psnr, ssim = bicubic_scores(pairs, scale)
    line = f"bicubic {psnr:.3f} dB / {ssim:.4f}"
    known = BICUBIC.get((name, scale))
    if known is None:
        return line, []
    if abs(psnr - known[0]) <= PSNR_TOLERANCE and abs(ssim - known[1]) <= SSIM_TOLERANCE:
        return f"{line} as known", []
    if len(pairs) != COUNTS[name]:
        reason = f"{len(pairs)} images instead of {COUNTS[name]}"
    elif lr_differs:
        reason = "LR was not made by MATLAB's bicubic from these HR images"
    elif all(side % 12 == 0 for hr, _ in pairs for side in hr.shape[:2]):
        reason = "HR is cropped to multiples of 12 (GTmod12), which scores differently"
    else:
        reason = "the HR images are not the published ones"
    return line, [f"{name} x{scale}: {line}, expected {known[0]:.3f} / {known[1]:.4f}: {reason}"]


def _size_problem(gt: MetaLine, lq: MetaLine, pair: PairedSet) -> str | None:
    if (lq.height * pair.scale, lq.width * pair.scale) != (gt.height, gt.width):
        return f"GT {gt.width}x{gt.height} is not {pair.scale} x LQ {lq.width}x{lq.height}"
    if pair.gt_size and min(gt.height, gt.width) < pair.gt_size:
        return f"GT {gt.width}x{gt.height} is smaller than gt_size {pair.gt_size}"
    return None


def _from_options(path: Path) -> Iterator[PairedSet]:
    """The paired sets under ``datasets:`` of a BasicSR option file."""
    import yaml

    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise UserError(f"{path}: is no YAML ({' '.join(str(error).split())})") from None
    datasets = options.get("datasets") if isinstance(options, dict) else None
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
    for scale in (2, 3, 4):
        if (folder / "HR").is_dir() and (folder / f"LR_bicubic/X{scale}").is_dir():
            lq = folder / "LR_bicubic" / f"X{scale}"
            has_scale = any(path.stem.endswith(f"x{scale}") for path in list_images(lq))
            yield PairedSet(folder / "HR", lq, scale, f"{{}}x{scale}" if has_scale else "{}")


def _first(items: Sequence[Any], text: Callable[[Any], str]) -> list[str]:
    """``text`` of the first of ``items``, and how many more there are, in a list; an empty list without items."""
    more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
    return [text(item) + more for item in items[:1]]
