"""The data sets of an option file: folders, pairs, sizes, and a sample of the images."""

import math
import os
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssiu_arch.checks.finding import Finding, located, tried
from ssiu_arch.checks.options import METRICS, SETS, Options
from ssiu_arch.data.copies import named
from ssiu_arch.data.images import decode_image, read_image
from ssiu_arch.data.lmdb_sets import open_lmdb, read_meta
from ssiu_arch.patches.compat.data import is_open
from ssiu_arch.utils import lmdb_health
from ssiu_arch.utils.errors import UserError

PREPARED_BY = {  # folders that the option files of this project name, and the command that creates each
    "datasets/demo": "python datasets_prep/demo.py",
    "datasets/DF2K": "python datasets_prep/df2k.py",
    "datasets/benchmark/Manga109": (
        "python datasets_prep/benchmarks.py --source FOLDER, with the files that http://www.manga109.org/en/ gives out"
    ),
    "datasets/benchmark": "python datasets_prep/benchmarks.py --download, or --source FOLDER for your copy",
}
PAIRS = 16
PART = 384  # GT pixels per side that are compared
SAME = 0.5  # a lower correlation of LQ and downscaled GT means different content
Size = tuple[int, int]  # height, width


def check_one(phase: str, options: Options, scale: int, processes: int = 1, metrics: Options | None = None) -> str:
    """Check the data set ``datasets.<phase>`` with these options; returns what it holds.

    Args:
        phase: name of the set.
        options: its options.
        scale: the super-resolution factor.
        processes: of the run; each needs a batch of a training set.
        metrics: ``val.metrics``, for which every image of a validation set must be large enough.

    Raises:
        UserError: a folder, LMDB or listed image is missing, images have no partner or share a name, sizes do not fit
            ``scale``, ``gt_size`` or ``metrics``, or options of the loader contradict each other.
    """
    where, is_train, kind = f"datasets.{phase}", phase == "train", options["type"]
    if options.get("persistent_workers") and not (is_train and options["num_worker_per_gpu"]):
        raise UserError(f"{where}.persistent_workers (true): remove it, this set is loaded without workers")
    sizes, is_lmdb = {}, (options.get("io_backend") or {}).get("type") == "lmdb"
    for side in ("gt", "lq"):
        if options.get(f"dataroot_{side}") is not None:
            with located(f"{where}.dataroot_{side}"):
                sizes[side] = _check_root(phase, options[f"dataroot_{side}"], is_lmdb)
    if kind not in SETS:
        return f"{kind}: its folders exist"
    file = None if is_lmdb else options.get("meta_info_file")
    with located(f"{where}.meta_info_file ({file})", remedy="name a file of UTF-8 text"):
        lines = Path(file).read_text(encoding="utf-8").split("\n") if file else []
    if kind == "PairedImageDataset" and not file:
        with located(where):
            _check_partners(sizes["gt"], sizes["lq"], "{}" if is_lmdb else options.get("filename_tmpl", "{}"))
    paths = build(where, options, scale).paths
    if not paths:
        raise UserError(f"{where}: {options['dataroot_lq']} holds no images")
    with located(f"{where}.meta_info_file"):
        _check_listed(file, lines, paths)
    with located(where):
        if not is_train:
            _check_names(paths)
        if kind == "PairedImageDataset":
            patch, is_sample = options["gt_size"] if is_train else None, is_train and not is_lmdb
            for pair in paths[:1] if is_sample else paths:  # of an LMDB the sizes are known, else they are in the files
                gt, lq = (sizes[side].get(pair[f"{side}_path"]) or _size(pair[f"{side}_path"]) for side in sizes)
                check_sizes(Path(pair["gt_path"]).name, gt, lq, scale, patch)
                if not is_train:
                    _check_metrics(Path(pair["gt_path"]).name, min(lq) * scale, metrics or {})
    if is_train:  # each process needs a batch per epoch, else BasicSR loops without an iteration
        samples = math.ceil(len(paths) * options.get("dataset_enlarge_ratio", 1) / processes)
        if samples < options["batch_size_per_gpu"]:
            raise UserError(
                f"{where}: {len(paths)} images do not fill a batch of {options['batch_size_per_gpu']}: raise "
                "dataset_enlarge_ratio or lower batch_size_per_gpu"
            )
    return f"{len(paths)} images"


def build(where: str, options: Options, scale: int) -> Any:
    """Build the data set as BasicSR does.

    Raises:
        UserError: a folder is missing, or images have no partner.
    """
    from basicsr.utils.registry import DATASET_REGISTRY

    options = {**deepcopy(options), "scale": scale, "phase": where.split(".")[1].split("_")[0]}
    for key in ("dataroot_gt", "dataroot_lq"):
        if options.get(key) is not None:
            options[key] = os.path.expanduser(options[key])
    with located(where):
        return DATASET_REGISTRY.get(options["type"])(options)


def _check_root(phase: str, root: str, is_lmdb: bool) -> dict[str, Size | None]:
    """Check a folder of images or an LMDB; returns the files, or the keys with the sizes of their images."""
    from basicsr.utils import scandir

    folder = Path(root).expanduser()
    if not os.path.isdir(folder):
        hint = next((script for start, script in PREPARED_BY.items() if root.startswith(start)), None)
        remedies = [f"create it with: {hint}"] if hint else []
        if phase not in ("train", "test"):  # one of several
            remedies.append(f"leave the set out with: --force_yml datasets:{phase}=none")
        raise UserError("; ".join([f"no folder {root}", *remedies]))
    if not is_lmdb:
        return dict.fromkeys(scandir(folder))
    if not root.endswith(".lmdb"):  # BasicSR's own test
        raise UserError(f"{root} must end in .lmdb; for a folder of images set io_backend.type: disk")
    if not is_open(folder):  # by the check of another set
        open_lmdb(folder).close()
    lines = read_meta(folder)
    if not lines:
        raise UserError(f"{root}/meta_info.txt: is empty; prepare the set again")
    return {line.key: (line.height, line.width) for line in lines}


def _check_partners(gt: Iterable[str], lq: Iterable[str], template: str) -> None:
    """Raise ``UserError`` for files of one folder, or keys of an LMDB, without a partner in the other."""
    partners = {f"{template.format(Path(name).stem)}{Path(name).suffix}" for name in gt}
    lacking = [f"dataroot_lq lacks {named(missing)}"] if (missing := sorted(partners.difference(lq))) else []
    lacking += [f"dataroot_gt lacks the partner of {named(extra)}"] if (extra := sorted({*lq} - partners)) else []
    if lacking:
        raise UserError(f"{' and '.join(lacking)}: complete the pairs, or set filename_tmpl")


def _check_listed(file: str | None, lines: list[str], paths: list[Any]) -> None:
    """Raise ``UserError`` for the first of the lines of a meta_info_file whose images are missing."""
    for number, (line, pair) in enumerate(zip(lines, paths, strict=False), 1):
        for path in pair.values() if isinstance(pair, dict) else [pair]:
            if not os.path.isfile(path):
                raise UserError(
                    f"{file}, line {number} ({line!r}): no file {path}; a line must be the name of an image, without "
                    "spaces, and its size"
                )


def _check_names(paths: list[Any]) -> None:
    """Raise ``UserError`` if results of two images would have one name: BasicSR drops the ending of LQ's name."""
    seen: dict[str, str] = {}
    for pair in paths:
        path = pair["lq_path"] if isinstance(pair, dict) else pair
        other = seen.setdefault(Path(path).stem, path)
        if other is not path:
            raise UserError(f"{other} and {path}: their results would have one name; rename one")


def _check_metrics(name: str, side: int, metrics: Options) -> None:
    """Raise ``UserError`` if the shorter ``side`` of a result, in pixels, is too small for one of ``metrics``."""
    for metric, options in metrics.items():
        needed, border = METRICS.get(options["type"], 0), options.get("crop_border") or 0
        if side - 2 * border < needed:
            raise UserError(
                f"{name} has {side} pixels a side, val.metrics.{metric} needs {needed} inside crop_border ({border}): "
                "remove the image, or lower crop_border"
            )


def check_sizes(name: str, gt: Size, lq: Size, scale: int, gt_size: int | None) -> None:
    """Raise ``UserError`` if GT is not ``scale`` times as large as LQ, or smaller than a training patch.

    ``gt_size`` is the side of the training patches; None in validation, where BasicSR crops GT to a multiple of
    ``scale``.
    """
    if gt_size is None and lq == (gt[0] // scale, gt[1] // scale):
        return
    if gt != (lq[0] * scale, lq[1] * scale):
        raise UserError(f"{name} is {gt[0]}x{gt[1]} in GT and {lq[0]}x{lq[1]} in LQ, which does not fit scale {scale}")
    if gt_size is not None and min(gt) < gt_size:
        raise UserError(f"{name} ({gt[0]}x{gt[1]}) is smaller than gt_size ({gt_size})")


def _size(path: str) -> Size:
    """The size as OpenCV decodes an image file: from its header, which is much faster, or else decoded."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            turned = Image.Image.getexif(image).get(274, 1) > 4  # the PNG class's own getexif decodes the image
            return image.size if turned else image.size[::-1]
    except (OSError, Image.DecompressionBombError):
        height, width = read_image(Path(path)).shape[:2]
        return height, width


def sample(where: str, options: Options, scale: int) -> Iterator[Finding]:
    """Decode and compare a sample of pairs of a data set that has passed ``check_one``.

    Args:
        where: the data set in the option file, for example ``datasets.val``.
        options: its options; nothing is done for other types than ``PairedImageDataset``.
        scale: the super-resolution factor.
    """
    from basicsr.utils import FileClient

    if options["type"] != "PairedImageDataset":
        return
    dataset = build(where, options, scale)
    notes: set[str] = set()
    count, backend = len(dataset.paths), dict(dataset.io_backend_opt)
    chosen = [dataset.paths[index] for index in sorted({n * count // PAIRS for n in range(PAIRS)})]
    if backend["type"] == "lmdb":  # a damaged one kills the process that reads it
        for side, folder in (("gt", dataset.gt_folder), ("lq", dataset.lq_folder)):
            health = tried(where, lmdb_health.check, where, folder, [pair[f"{side}_path"] for pair in chosen])
            if health.level == "error":
                yield health
                return
    client = FileClient(backend.pop("type"), **backend)

    def compare(pair: dict[str, str]) -> None:
        paths = {side: pair[f"{side}_path"] for side in ("gt", "lq")}
        with located(f"{where}: {Path(paths['gt']).name}"):
            gt, lq = (_decoded(client.get(path, side), path, notes) for side, path in paths.items())
            patch = options["gt_size"] if where == "datasets.train" else None
            check_sizes("this pair", gt.shape[:2], lq.shape[:2], scale, patch)
            _compare(gt, lq, scale)

    errors = [finding for finding in (tried(where, compare, pair) for pair in chosen) if finding.level == "error"]
    yield from errors[:3]
    if len(errors) > 3:
        yield Finding("error", where, f"{len(errors) - 3} more of the {len(chosen)} sampled pairs have errors")
    yield from (Finding("warning", where, note) for note in sorted(notes))
    if not errors:
        yield Finding("ok", where, f"{count} pairs, a sample of {len(chosen)} decoded and compared")


def _decoded(data: bytes, name: str, notes: set[str]) -> Any:
    """An image (H, W, 3) as BasicSR decodes it, 8-bit BGR; adds to ``notes`` what that silently changes."""
    decode_image(bytes(data), name)  # stricter than BasicSR: raises for wrong checksums and truncated files
    array = np.frombuffer(data, np.uint8)
    raw: Any = cv2.imdecode(array, cv2.IMREAD_UNCHANGED)
    if raw.dtype != np.uint8:
        notes.add(f"some images have {raw.dtype.itemsize * 8} bit, BasicSR reduces them to 8")
    if raw.ndim == 2:
        notes.add("some images are greyscale, BasicSR repeats their channel three times")
    elif raw.shape[2] == 4:
        notes.add("some images have an alpha channel, BasicSR drops it")
    return cv2.imdecode(array, cv2.IMREAD_COLOR)


def _compare(gt: Any, lq: Any, scale: int) -> None:
    side = PART // scale
    lq = lq[:side, :side].astype(np.float64)
    gt = gt[: lq.shape[0] * scale, : lq.shape[1] * scale]
    small = cv2.resize(gt, lq.shape[1::-1], interpolation=cv2.INTER_AREA).astype(np.float64)
    if min(lq.std(), small.std()) > 2:  # correlation means nothing for a flat image
        correlation = np.corrcoef(lq.ravel(), small.ravel())[0, 1]
        if correlation < SAME:
            raise UserError(f"LQ and GT show different content (correlation {correlation:.2f}): check the pairing")
