"""The data sets of an option file: there, complete, and of the scale that is asked for."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

from ssiu_arch.errors import UserError

META_LINE = re.compile(r"^(.+)\.\w+ \((\d+),(\d+),\d+\)")
PREPARED_BY = {  # where the option files of this project look, and what puts the data there
    "datasets/demo": "python datasets_prep/demo.py",
    "datasets/DF2K": "python datasets_prep/df2k.py",
    "datasets/benchmark": "python datasets_prep/benchmarks.py",
}

Size = tuple[int, int]  # height, width


def check(opt: dict[str, Any]) -> None:
    """Check every data set of the option file.

    Raises:
        UserError: a folder or LMDB is missing or incomplete, pairs do not match, or sizes do not fit ``scale`` or
            ``gt_size``.
    """
    for phase, dataset in opt["datasets"].items():
        where = f"datasets.{phase}"
        for key in ("dataroot_gt", "dataroot_lq"):
            if dataset.get(key) is not None:
                _check_root(f"{where}.{key}", str(dataset[key]), _backend(dataset))
        if dataset["type"] == "PairedImageDataset":
            _check_pairs(where, dataset, opt["scale"], is_train=phase.split("_")[0] == "train")


def _backend(dataset: dict[str, Any]) -> str:
    return (dataset.get("io_backend") or {}).get("type", "disk")


def _check_root(where: str, root: str, backend: str) -> None:
    folder = Path(root).expanduser()
    if not folder.is_dir():
        hint = next((script for start, script in PREPARED_BY.items() if root.startswith(start)), None)
        raise UserError(f"{where}: no folder {root}" + (f"; make it with: {hint}" if hint else ""))
    if backend == "lmdb":
        if folder.suffix != ".lmdb":
            raise UserError(f"{where}: {root} must end in .lmdb, or io_backend.type must be disk")
        for name in ("data.mdb", "meta_info.txt"):
            file = folder / name
            if not file.is_file() or file.stat().st_size == 0:
                raise UserError(f"{where}: {root} has no {name}, or an empty one: prepare it again")


def _check_pairs(where: str, options: dict[str, Any], scale: int, is_train: bool) -> None:
    from basicsr.utils.registry import DATASET_REGISTRY

    for key in ("dataroot_gt", "dataroot_lq", "io_backend"):
        if options.get(key) is None:
            raise UserError(f"{where}.{key} is missing")
    options = {**deepcopy(options), "scale": scale, "phase": where.split(".")[1].split("_")[0]}
    for key in ("dataroot_gt", "dataroot_lq"):
        options[key] = str(Path(options[key]).expanduser())
    try:
        pairs = DATASET_REGISTRY.get(options["type"])(options).paths
    except (AssertionError, ValueError, OSError, KeyError) as error:
        raise UserError(f"{where}: {' '.join(str(error).split())}") from error
    if not pairs:
        raise UserError(f"{where}: {options['dataroot_gt']} holds no images")
    sizes = _lmdb_sizes(where, options) if _backend(options) == "lmdb" else _first_pair(where, pairs)
    for name, gt, lq in sizes:
        _check_sizes(where, name, gt, lq, scale, options.get("gt_size") if is_train else None)


def _check_sizes(where: str, name: str, gt: Size, lq: Size, scale: int, gt_size: int | None) -> None:
    larger = gt[0] // scale, gt[1] // scale  # BasicSR crops GT images that are not a multiple of the scale
    if gt_size is None and (lq == larger or lq == (-(-gt[0] // scale), -(-gt[1] // scale))):
        return
    if gt != (lq[0] * scale, lq[1] * scale):
        raise UserError(
            f"{where}: {name} is {gt[0]}x{gt[1]} in GT and {lq[0]}x{lq[1]} in LQ, which is not scale {scale}"
        )
    if gt_size is not None and min(gt) < gt_size:
        raise UserError(f"{where}: {name} ({gt[0]}x{gt[1]}) is smaller than gt_size ({gt_size})")


def _lmdb_sizes(where: str, options: dict[str, Any]) -> list[tuple[str, Size, Size]]:
    gt, lq = (_meta_sizes(f"{where}.{key}", options[key]) for key in ("dataroot_gt", "dataroot_lq"))
    return [(name, size, lq[name]) for name, size in gt.items() if name in lq]


def _meta_sizes(where: str, root: str) -> dict[str, Size]:
    sizes = {}
    lines = (Path(root) / "meta_info.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        found = META_LINE.match(line)
        if not found:
            raise UserError(f"{where}: {root}/meta_info.txt, line {number} ({line[:60]!r}) is not 'name.png (h,w,c) 1'")
        sizes[found[1]] = int(found[2]), int(found[3])
    return sizes


def _first_pair(where: str, pairs: list[dict[str, str]]) -> list[tuple[str, Size, Size]]:
    """Name and sizes of the first pair on disk, read whole; the others are left to ``datasets_prep/verify.py``."""
    import cv2

    first = pairs[0]
    sizes = []
    for key in ("gt_path", "lq_path"):
        image = cv2.imread(first[key], cv2.IMREAD_UNCHANGED)
        if image is None:
            raise UserError(f"{where}: {first[key]} is no image that OpenCV can read")
        sizes.append(image.shape[:2])
    return [(Path(first["gt_path"]).name, *sizes)]
