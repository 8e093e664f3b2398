"""The data sets of an option file: their folders, pairs, sizes and loader options."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from ssiu_arch.data.lmdb_sets import check_file_size, read_meta
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.image_files import PNG_SIGNATURE, check_png

PREPARED_BY = {  # folders that the option files of this project name, and the command that creates each
    "datasets/demo": "python datasets_prep/demo.py",
    "datasets/DF2K": "python datasets_prep/df2k.py",
    "datasets/benchmark": "python datasets_prep/benchmarks.py",
}
MOST_SAMPLES = 10**9  # per epoch: BasicSR keeps their order in a list

Size = tuple[int, int]  # height, width


def check(opt: dict[str, Any]) -> None:
    """Check every data set of the option file.

    Raises:
        UserError: a folder or LMDB is missing or incomplete, images have no partner, sizes do not fit ``scale`` or
            ``gt_size``, or options of the loader contradict each other.
    """
    names: dict[str, str] = {}
    for phase, dataset in opt["datasets"].items():
        check_one(phase, dataset, opt["scale"])
        other = names.setdefault(dataset["name"], phase)
        if other != phase:
            raise UserError(
                f"datasets.{phase}.name and datasets.{other}.name are both {dataset['name']!r}: give each set its own "
                "name, under which scores and images are saved"
            )


def check_one(phase: str, dataset: dict[str, Any], scale: int) -> None:
    """Check the data set ``datasets.<phase>``; raises as ``check`` does."""
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


def build(where: str, options: dict[str, Any], scale: int) -> Any:
    """Build the data set as BasicSR does.

    Raises:
        UserError: a folder is missing, or images have no partner.
    """
    from basicsr.utils.registry import DATASET_REGISTRY

    options = {**deepcopy(options), "scale": scale, "phase": where.split(".")[1].split("_")[0]}
    for key in ("dataroot_gt", "dataroot_lq"):
        if options.get(key) is not None:
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
        raise UserError(f"{where}.io_backend: {extra}: remove it, type disk has no other options")
    if options.get("persistent_workers") and not (is_train and options["num_worker_per_gpu"]):
        reason = "num_worker_per_gpu is 0" if is_train else "BasicSR validates and tests without workers"
        raise UserError(f"{where}.persistent_workers (true): remove it, {reason}")


def _check_batch(where: str, options: dict[str, Any], images: int) -> None:
    """Check that each process has at least one batch per epoch, and that an epoch is not absurdly long."""
    samples = math.ceil(images * options.get("dataset_enlarge_ratio", 1) / int(os.environ.get("WORLD_SIZE", 1)))
    if samples < options["batch_size_per_gpu"]:
        raise UserError(
            f"{where}: {images} images do not fill a batch of {options['batch_size_per_gpu']}: raise "
            "dataset_enlarge_ratio or lower batch_size_per_gpu"
        )
    if samples > MOST_SAMPLES:
        ratio = options["dataset_enlarge_ratio"]
        raise UserError(f"{where}.dataset_enlarge_ratio ({ratio}) gives {samples} samples per epoch: lower it")


def _backend(dataset: dict[str, Any]) -> str:
    return (dataset.get("io_backend") or {}).get("type", "disk")


def _check_root(where: str, root: str, backend: str) -> None:
    folder = Path(os.path.expanduser(root))
    if not os.path.isdir(folder):
        hint = next((script for start, script in PREPARED_BY.items() if root.startswith(start)), None)
        raise UserError(f"{where}: no folder {root}" + (f"; create it with: {hint}" if hint else ""))
    if backend == "lmdb":
        if not root.endswith(".lmdb"):  # BasicSR's own test
            raise UserError(f"{where}: {root} must end in .lmdb; for a folder of images set io_backend.type: disk")
        with _located(where):
            check_file_size(folder)


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Put the option before the message of a ``UserError``."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _check_pairs(where: str, options: dict[str, Any], scale: int, is_train: bool) -> list[dict[str, str]]:
    needed = ("dataroot_gt", "dataroot_lq", "io_backend", *(("gt_size", "use_hflip", "use_rot") if is_train else ()))
    for key in needed:
        if options.get(key) is None:
            raise UserError(f"{where}.{key} is missing")
    by_key = _lmdb_sizes(where, options) if _backend(options) == "lmdb" else None  # before BasicSR reads meta_info.txt
    pairs = build(where, options, scale).paths
    if not pairs:
        raise UserError(f"{where}: {options['dataroot_gt']} holds no images")
    sizes = _sizes_on_disk(where, pairs, is_train) if by_key is None else by_key
    for name, gt, lq in sizes:
        check_sizes(where, name, gt, lq, scale, options.get("gt_size") if is_train else None)
    return pairs


def check_sizes(where: str, name: str, gt: Size, lq: Size, scale: int, gt_size: int | None) -> None:
    """Raise ``UserError`` if GT is not ``scale`` times as large as LQ, or smaller than a training patch.

    Args:
        where: the data set in the option file.
        name: the name of the pair.
        gt: height and width of GT.
        lq: height and width of LQ.
        scale: the super-resolution factor.
        gt_size: side of the training patches; None in validation, where BasicSR crops GT to a multiple of ``scale``.
    """
    if gt_size is None and lq == (gt[0] // scale, gt[1] // scale):
        return
    if gt != (lq[0] * scale, lq[1] * scale):
        raise UserError(
            f"{where}: {name} is {gt[0]}x{gt[1]} in GT and {lq[0]}x{lq[1]} in LQ, which does not fit scale {scale}"
        )
    if gt_size is not None and min(gt) < gt_size:
        raise UserError(f"{where}: {name} ({gt[0]}x{gt[1]}) is smaller than gt_size ({gt_size})")


def _lmdb_sizes(where: str, options: dict[str, Any]) -> list[tuple[str, Size, Size]]:
    sizes: list[dict[str, Size]] = []
    for key in ("dataroot_gt", "dataroot_lq"):
        with _located(f"{where}.{key}"):
            lines = read_meta(Path(os.path.expanduser(options[key])))
            if not lines:
                raise UserError(f"{options[key]}/meta_info.txt: is empty; prepare the set again")
            for line in lines:
                if not line.key.isascii():
                    raise UserError(
                        f"{line.key!r} has characters beyond ASCII, which BasicSR rejects: rename the image"
                    )
        sizes.append({line.key: (line.height, line.width) for line in lines})
    gt, lq = sizes
    return [(name, size, lq[name]) for name, size in gt.items() if name in lq]


def _sizes_on_disk(where: str, pairs: list[dict[str, str]], is_train: bool) -> Iterator[tuple[str, Size, Size]]:
    """Yield name and sizes of each pair of a validation set, or of the first pair of a training set.

    The first pair is decoded; sizes of the others are read from their headers, which is much faster.
    """
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
    """The bytes of a file; raises ``UserError`` if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{where}: {path} cannot be read ({error.strerror})") from error


def decode(where: str, name: str, data: bytes) -> Any:
    """Decode an image (H, W[, C]) without conversion: alpha and 16 bit are kept.

    Raises:
        UserError: OpenCV cannot decode it.
    """
    import cv2
    import numpy as np

    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:  # the header claims more pixels than OpenCV allows
        image = None
    if image is None:
        raise UserError(f"{where}: {name} is not an image that OpenCV can read: download or export it again")
    if data.startswith(PNG_SIGNATURE):
        with _located(where):
            check_png(data, name)  # OpenCV ignores checksums
    return image
