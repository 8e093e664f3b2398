"""Checks of data sets before time is spent on them: counts, sizes, alignment, LMDB, and the right benchmark files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssiu_arch.data.bicubic import BICUBIC, bicubic_scores
from ssiu_arch.data.images import BadImage, Image, decode_image, list_images, read_image
from ssiu_arch.data.lmdb_sets import MetaLine, check_file_size, open_lmdb, read_meta
from ssiu_arch.data.names import COUNTS, set_name
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.utils.errors import UserError

SAMPLE = 64  # pairs looked at pixel by pixel in a set of sub-images
BORDER = 4  # LR pixels at the border of a sub-image that depend on what was outside
SAME_IMAGE = 20.0  # dB between LR and MATLAB's bicubic of HR, below which they do not show the same
PSNR_TOLERANCE, SSIM_TOLERANCE = 0.005, 0.0005  # the known figures have three and four digits


@dataclass(frozen=True)
class PairedSet:
    """HR and LR images of one scale: two folders, or two LMDB; the words of BasicSR's option files."""

    dataroot_gt: Path
    dataroot_lq: Path
    scale: int
    filename_tmpl: str = "{}"
    gt_size: int | None = None

    @property
    def name(self) -> str:
        """For the report."""
        return f"{self.dataroot_lq}"


@dataclass(frozen=True)
class Report:
    """What was found: what is right in one line, notes, and problems."""

    summary: str
    notes: list[str]
    problems: list[str]


def find_pairs(path: Path) -> list[PairedSet]:
    """The sets that ``path`` names: an option file (``.yml``), or a folder of LMDB pairs or of benchmarks.

    Raises:
        UserError: If it is neither.
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
    """Check one set; see the head of this module.

    Raises:
        UserError: If a folder or database is missing or cannot be read at all.
    """
    for folder in (pair.dataroot_gt, pair.dataroot_lq):
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder")
    kinds = {folder.suffix == ".lmdb" for folder in (pair.dataroot_gt, pair.dataroot_lq)}
    if len(kinds) == 2:
        raise UserError(f"{pair.dataroot_gt} and {pair.dataroot_lq}: either both are .lmdb or none")
    return _verify_lmdb(pair) if kinds.pop() else _verify_folders(pair)


def _verify_lmdb(pair: PairedSet) -> Report:
    problems: list[str] = []
    metas = {}
    for folder in (pair.dataroot_gt, pair.dataroot_lq):
        metas[folder] = {line.key: line for line in read_meta(folder)}
        problems += _check_database(folder, read_meta(folder))
    gt, lq = metas[pair.dataroot_gt], metas[pair.dataroot_lq]
    problems += _first(sorted(gt.keys() ^ lq.keys()), lambda key: f"{key}: only in one of the two meta_info.txt")
    common = sorted(gt.keys() & lq.keys())
    for key in common:
        problem = _size_problem((gt[key].height, gt[key].width), (lq[key].height, lq[key].width), pair)
        if problem:
            problems.append(f"{key}: {problem}")
            break
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
    """Whether ``data.mdb`` is whole and holds exactly the keys of ``meta_info.txt``."""
    try:
        check_file_size(folder)
    except UserError as error:
        return [str(error)]
    problems = []
    listed = {line.key for line in meta}
    if len(listed) < len(meta):
        problems.append(f"{folder}/meta_info.txt: {len(meta) - len(listed)} keys are listed twice")
    if not meta:
        problems.append(f"{folder}/meta_info.txt: is empty")
    with open_lmdb(folder) as env, env.begin() as transaction:
        stored = {key.decode("ascii", "backslashreplace") for key in transaction.cursor().iternext(values=False)}
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
    partners = {path: pair.dataroot_lq / f"{pair.filename_tmpl.format(path.stem)}{path.suffix}" for path in gt}
    missing = [path for path in gt if not partners[path].is_file()]
    problems += _first(missing, lambda path: f"{partners[path]}: is missing (filename_tmpl {pair.filename_tmpl!r})")

    def images() -> Iterator[tuple[str, Image, Image]]:
        for path in gt:
            if path not in missing:
                yield path.stem, read_image(path), read_image(partners[path])

    notes: list[str] = []
    if not missing:
        notes, found = _check_alignment(images(), pair.scale, 0)
        problems += found
    summary = f"{len(gt)} pairs in folders, x{pair.scale}"
    name = set_name(pair.dataroot_gt.parent.name)
    if name and not missing and not problems:
        line, wrong = _check_benchmark(name, pair.scale, images, bool(notes))
        summary += f", {line}"
        problems += wrong
    return Report(summary, notes, problems)


def _check_alignment(
    images: Iterator[tuple[str, Image, Image]], scale: int, border: int
) -> tuple[list[str], list[str]]:
    """Compare LR with MATLAB's bicubic of HR; return notes and problems."""
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
            mse = float(np.mean(error**2))
            if mse > 255**2 / 10 ** (SAME_IMAGE / 10):
                problems.append(f"{key}: LR does not show what HR shows{_shift_hint(expected, lr)}")
    except BadImage as problem:
        problems.append(str(problem))
    notes = []
    if different:
        notes.append(f"LR differs from MATLAB's bicubic of HR in {100 * different / samples:.1f} % of the samples")
    return notes, [*problems[:3], *([f"and {len(problems) - 3} more"] if len(problems) > 3 else [])]


def _shift_hint(expected: Image, lr: Image) -> str:
    """If another place fits much better: how far LR is shifted."""
    reach = 3
    if min(lr.shape[:2]) < 8 * reach:
        return ""
    core = expected[reach:-reach, reach:-reach].astype(float)
    errors = {}
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            rows = slice(reach + dy, lr.shape[0] - reach + dy)
            errors[dy, dx] = float(np.mean((core - lr[rows, reach + dx : lr.shape[1] - reach + dx]) ** 2))
    dy, dx = min(errors, key=lambda shift: errors[shift])
    fits = errors[dy, dx] < errors[0, 0] / 4
    return f"; it is shifted by {dx} pixels to the right and {dy} down" if fits else ""


def _check_benchmark(
    name: str, scale: int, images: Callable[[], Iterator[tuple[str, Image, Image]]], lr_differs: bool
) -> tuple[str, list[str]]:
    """Bicubic PSNR and SSIM against the known figures; return both as a line, and what is wrong."""
    psnr, ssim = bicubic_scores(((hr, lr) for _, hr, lr in images()), scale)
    line = f"bicubic {psnr:.3f} dB / {ssim:.4f}"
    known = BICUBIC.get((name, scale))
    if known is None:
        return line, []
    if abs(psnr - known[0]) <= PSNR_TOLERANCE and abs(ssim - known[1]) <= SSIM_TOLERANCE:
        return f"{line} as known", []
    sizes = [hr.shape for _, hr, _ in images()]
    if len(sizes) != COUNTS[name]:
        reason = f"{len(sizes)} images instead of {COUNTS[name]}"
    elif lr_differs:
        reason = "LR was not made by MATLAB's bicubic from these HR images"
    elif all(height % 12 == 0 and width % 12 == 0 for height, width, _ in sizes):
        reason = "HR is cropped to multiples of 12 (GTmod12), which scores differently"
    else:
        reason = "the HR images are not the published ones"
    wrong = f"{name} x{scale}: bicubic {psnr:.3f} dB / {ssim:.4f}, expected {known[0]:.3f} / {known[1]:.4f}: {reason}"
    return line, [wrong]


def _size_problem(gt: tuple[int, int], lq: tuple[int, int], pair: PairedSet) -> str | None:
    if (lq[0] * pair.scale, lq[1] * pair.scale) != gt:
        return f"GT {gt[1]}x{gt[0]} is not {pair.scale} x LQ {lq[1]}x{lq[0]}"
    if pair.gt_size and min(gt) < pair.gt_size:
        return f"GT {gt[1]}x{gt[0]} is smaller than gt_size {pair.gt_size}"
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
            raise UserError(f"{path}: scale ({scale!r}) must be a whole number from 1 on")
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
            plain = not any(path.stem.endswith(f"x{scale}") for path in list_images(lq))
            yield PairedSet(folder / "HR", lq, scale, "{}" if plain else "{}x" + str(scale))


def _first(items: Sequence[Any], text: Callable[[Any], str]) -> list[str]:
    """The first of ``items`` in words, and how many there are."""
    if not items:
        return []
    return [text(items[0]) + (f" (and {len(items) - 1} more like it)" if len(items) > 1 else "")]
