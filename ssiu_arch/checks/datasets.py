"""The data sets of an option file: there, complete, and of the scale that is asked for."""

import math
import os
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from ssiu_arch.data.lmdb_sets import check_file_size
from ssiu_arch.utils.errors import UserError

META_LINE = re.compile(r"^(.+)\.\w+ \((\d+),(\d+),\d+\)")
PREPARED_BY = {  # where the option files of this project look, and what puts the data there
    "datasets/demo": "python datasets_prep/demo.py",
    "datasets/DF2K": "python datasets_prep/df2k.py",
    "datasets/benchmark": "python datasets_prep/benchmarks.py",
}
MOST_SAMPLES = 10**9  # an epoch's order is a list of that many numbers

Size = tuple[int, int]  # height, width


def check(opt: dict[str, Any]) -> None:
    """Check every data set of the option file.

    Raises:
        UserError: a folder or LMDB is missing or incomplete, pairs do not match, or sizes do not fit ``scale`` or
            ``gt_size``; or the loader's options cannot work together.
    """
    names: dict[str, str] = {}
    for phase, dataset in opt["datasets"].items():
        check_one(phase, dataset, opt["scale"])
        other = names.setdefault(dataset["name"], phase)
        if other != phase:
            raise UserError(
                f"datasets.{phase}.name and datasets.{other}.name are one, {dataset['name']!r}: their scores and "
                "pictures would be mixed up"
            )


def check_one(phase: str, dataset: dict[str, Any], scale: int) -> None:
    """Check the data set ``datasets.<phase>``, as ``check`` does."""
    where, is_train = f"datasets.{phase}", phase == "train"
    _check_loader(where, dataset, is_train)
    for key in ("dataroot_gt", "dataroot_lq"):
        if dataset.get(key) is not None:
            _check_root(f"{where}.{key}", dataset[key], _backend(dataset))
    if dataset["type"] == "PairedImageDataset":
        pairs = _check_pairs(where, dataset, scale, is_train)
        if is_train:
            _check_batch(where, dataset, len(pairs))
    elif dataset["type"] == "SingleImageDataset":
        _check_single(where, dataset)


def _check_single(where: str, options: dict[str, Any]) -> None:
    root = options.get("dataroot_lq")
    if root is None or options.get("io_backend") is None:
        raise UserError(f"{where}: SingleImageDataset needs dataroot_lq and io_backend")
    listed = options.get("meta_info_file") or _backend(options) != "disk"
    if not listed and not any(os.scandir(os.path.expanduser(root))):
        raise UserError(f"{where}: {root} holds no images")


def paired_dataset(where: str, options: dict[str, Any], scale: int) -> Any:
    """BasicSR's data set of the options, made as BasicSR makes it.

    Raises:
        UserError: BasicSR finds no pairs, or pairs that do not match.
    """
    from basicsr.utils.registry import DATASET_REGISTRY

    options = {**deepcopy(options), "scale": scale, "phase": where.split(".")[1].split("_")[0]}
    for key in ("dataroot_gt", "dataroot_lq"):
        options[key] = os.path.expanduser(options[key])
    try:
        return DATASET_REGISTRY.get(options["type"])(options)
    except (AssertionError, ValueError, OSError, KeyError) as error:
        raise UserError(f"{where}: {' '.join(str(error).split())}") from error


def _check_loader(where: str, options: dict[str, Any], is_train: bool) -> None:
    needed = ("name", "batch_size_per_gpu", "num_worker_per_gpu") if is_train else ("name",)
    for key in needed:
        if options.get(key) is None:
            raise UserError(f"{where}.{key} is missing")
    backend = options.get("io_backend") or {}
    kind = backend.get("type")
    if backend and kind not in ("disk", "lmdb", "memcached"):
        raise UserError(f"{where}.io_backend.type ({kind!r}) must be disk, lmdb or memcached")
    if kind == "disk" and len(backend) > 1:
        extra = ", ".join(key for key in backend if key != "type")
        raise UserError(f"{where}.io_backend: {extra}: type disk has no other options")
    if options.get("persistent_workers") and not (is_train and options["num_worker_per_gpu"]):
        without = "num_worker_per_gpu is 0" if is_train else "BasicSR validates and tests without workers"
        raise UserError(f"{where}.persistent_workers (true) asks for workers, but {without}: leave it out")


def _check_batch(where: str, options: dict[str, Any], images: int) -> None:
    """Whether every process gets a whole batch an epoch, and the epoch fits into memory as a list of numbers."""
    samples = math.ceil(images * options.get("dataset_enlarge_ratio", 1) / int(os.environ.get("WORLD_SIZE", 1)))
    if samples < options["batch_size_per_gpu"]:
        raise UserError(
            f"{where}: {images} images are fewer than a batch of {options['batch_size_per_gpu']}: raise "
            "dataset_enlarge_ratio or lower batch_size_per_gpu"
        )
    if samples > MOST_SAMPLES:
        ratio = options["dataset_enlarge_ratio"]
        raise UserError(f"{where}.dataset_enlarge_ratio ({ratio}) makes {samples} samples an epoch: lower it")


def _backend(dataset: dict[str, Any]) -> str:
    return (dataset.get("io_backend") or {}).get("type", "disk")


def _check_root(where: str, root: str, backend: str) -> None:
    folder = Path(os.path.expanduser(root))
    if not os.path.isdir(folder):
        hint = next((script for start, script in PREPARED_BY.items() if root.startswith(start)), None)
        raise UserError(f"{where}: no folder {root}" + (f"; make it with: {hint}" if hint else ""))
    if backend == "lmdb":
        if not root.endswith(".lmdb"):  # BasicSR's own test
            raise UserError(f"{where}: {root} must end in .lmdb, or io_backend.type must be disk")
        for name in ("data.mdb", "meta_info.txt"):
            file = folder / name
            if not file.is_file() or file.stat().st_size == 0:
                raise UserError(f"{where}: {root} has no {name}, or an empty one: prepare it again")
        try:
            check_file_size(folder)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error


def _check_pairs(where: str, options: dict[str, Any], scale: int, is_train: bool) -> list[dict[str, str]]:
    needed = ("dataroot_gt", "dataroot_lq", "io_backend", *(("gt_size", "use_hflip", "use_rot") if is_train else ()))
    for key in needed:
        if options.get(key) is None:
            raise UserError(f"{where}.{key} is missing")
    pairs = paired_dataset(where, options, scale).paths
    if not pairs:
        raise UserError(f"{where}: {options['dataroot_gt']} holds no images")
    sizes = _lmdb_sizes(where, options) if _backend(options) == "lmdb" else _sizes_on_disk(where, pairs, is_train)
    for name, gt, lq in sizes:
        check_sizes(where, name, gt, lq, scale, options.get("gt_size") if is_train else None)
    return pairs


def check_sizes(where: str, name: str, gt: Size, lq: Size, scale: int, gt_size: int | None) -> None:
    """Raise ``UserError`` where GT is not LQ times ``scale``, or smaller than the patches of a training.

    Args:
        where: the data set in the option file.
        name: the pair.
        gt: size of GT.
        lq: size of LQ.
        scale: the super-resolution factor.
        gt_size: side of the patches of a training; None where whole images are used, which BasicSR crops to fit.
    """
    if gt_size is None and lq == (gt[0] // scale, gt[1] // scale):
        return
    if gt != (lq[0] * scale, lq[1] * scale):
        raise UserError(
            f"{where}: {name} is {gt[0]}x{gt[1]} in GT and {lq[0]}x{lq[1]} in LQ, which is not scale {scale}"
        )
    if gt_size is not None and min(gt) < gt_size:
        raise UserError(f"{where}: {name} ({gt[0]}x{gt[1]}) is smaller than gt_size ({gt_size})")


def _lmdb_sizes(where: str, options: dict[str, Any]) -> list[tuple[str, Size, Size]]:
    gt, lq = (_meta_sizes(f"{where}.{key}", os.path.expanduser(options[key])) for key in ("dataroot_gt", "dataroot_lq"))
    return [(name, size, lq[name]) for name, size in gt.items() if name in lq]


def _meta_sizes(where: str, root: str) -> dict[str, Size]:
    sizes = {}
    lines = (Path(root) / "meta_info.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        found = META_LINE.match(line)
        if not found:
            raise UserError(f"{where}: {root}/meta_info.txt, line {number} ({line[:60]!r}) is not 'name.png (h,w,c) 1'")
        if "." in found[1] or not found[1].isascii():
            raise UserError(f"{where}: {found[1]!r} is no key for BasicSR: no dots, and ASCII only; prepare it again")
        sizes[found[1]] = int(found[2]), int(found[3])
    return sizes


def _sizes_on_disk(where: str, pairs: list[dict[str, str]], is_train: bool) -> Iterator[tuple[str, Size, Size]]:
    """Name and sizes of the first pair, read whole, and of the others of a small set by what their headers say."""
    from PIL import Image, UnidentifiedImageError

    for n, pair in enumerate(pairs[:1] if is_train else pairs):
        sizes = []
        for path in (pair["gt_path"], pair["lq_path"]):
            try:
                with Image.open(path) as image:
                    size = image.size[::-1]
                    rotated = image.getexif().get(274, 1) != 1  # OpenCV applies the orientation
            except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
                size, rotated = (0, 0), True
            sizes.append(decode(where, path, read(where, path)).shape[:2] if n == 0 or rotated else size)
        yield Path(pair["gt_path"]).name, sizes[0], sizes[1]


def read(where: str, path: str) -> bytes:
    """The bytes of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{where}: {path} cannot be read ({error.strerror})") from error


def decode(where: str, name: str, data: bytes) -> Any:
    """An image (H, W[, C]) as it is in its file: with alpha, in 16 bit.

    Raises:
        UserError: it is no image.
    """
    import cv2
    import numpy as np

    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:  # a header that promises more pixels than OpenCV allows
        image = None
    if image is None:
        raise UserError(f"{where}: {name} is no image that OpenCV can read: it is damaged, fetch or export it again")
    return image
