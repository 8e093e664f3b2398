"""The data sets of an option file: their folders, pairs, sizes and loader options."""

import math
import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from ssiu_arch.checks.finding import located, require
from ssiu_arch.checks.options import IO_BACKEND, METRICS
from ssiu_arch.data.images import read_image
from ssiu_arch.data.lmdb_sets import open_lmdb, read_meta
from ssiu_arch.utils.errors import UserError

PREPARED_BY = {  # folders that the option files of this project name, and the command that creates each
    "datasets/demo": "python datasets_prep/demo.py",
    "datasets/DF2K": "python datasets_prep/df2k.py",
    "datasets/benchmark/Manga109": (
        "python datasets_prep/benchmarks.py --source FOLDER, with the files that http://www.manga109.org/en/ gives out"
    ),
    "datasets/benchmark": "python datasets_prep/benchmarks.py --download, or --source FOLDER for your copy",
}
NEEDED = {  # options that BasicSR's data sets read without a default: always, and in training
    "PairedImageDataset": ("dataroot_gt dataroot_lq io_backend", "gt_size use_hflip use_rot"),
    "SingleImageDataset": ("dataroot_lq io_backend", ""),
}
Size = tuple[int, int]  # height, width


def check_one(
    phase: str,
    options: dict[str, Any],
    scale: int,
    processes: int = 1,
    metrics: Mapping[str, dict[str, Any]] | None = None,
) -> str:
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
    always, in_training = NEEDED.get(kind, ("", ""))
    require(f"{where}.", options, f"name {always}")
    require(f"{where}.", options, f"batch_size_per_gpu num_worker_per_gpu {in_training}" if is_train else "")
    if options.get("persistent_workers") and not (is_train and options["num_worker_per_gpu"]):
        raise UserError(f"{where}.persistent_workers (true): remove it, this set is loaded without workers")
    sizes = {}
    for side in ("gt", "lq"):
        if options.get(f"dataroot_{side}") is not None:
            with located(f"{where}.dataroot_{side}"):
                sizes[side] = _check_root(
                    phase, options[f"dataroot_{side}"], (options.get("io_backend") or {}).get("type")
                )
    if kind not in NEEDED:
        return f"{kind}: its folders exist"
    _check_backend(where, options["io_backend"])
    paths = build(where, options, scale).paths
    if not paths:
        raise UserError(f"{where}: {options['dataroot_lq']} holds no images")
    if options.get("meta_info_file") and options["io_backend"].get("type") != "lmdb":
        with located(f"{where}.meta_info_file"):
            _check_listed(options["meta_info_file"], paths)
    if not is_train:
        with located(where):
            _check_names(paths)
    if kind == "PairedImageDataset":
        patch, is_sample = options["gt_size"] if is_train else None, is_train and not sizes["gt"]
        with located(where):
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


def _check_backend(where: str, options: dict[str, Any]) -> None:
    """Open the storage that ``io_backend`` names; raises ``UserError`` if its options do not fit."""
    from basicsr.utils import FileClient

    backend = dict(options)
    with located(f"{where}.io_backend", backend, "set type: disk or lmdb and remove other options"):
        if backend.get("type") != "lmdb":  # of an LMDB, only keys that ``samples`` reads are known not to crash
            FileClient(backend.pop("type", None), **backend)
        elif backend.keys() - IO_BACKEND.keys():
            raise ValueError(f"no option {', '.join(backend.keys() - IO_BACKEND.keys())}")


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
    with located(where):
        return DATASET_REGISTRY.get(options["type"])(options)


def _check_root(phase: str, root: str, backend: str | None) -> dict[str, Size]:
    """Check a folder of images or an LMDB; returns the sizes of the images in an LMDB by key."""
    folder = Path(root).expanduser()
    if not os.path.isdir(folder):
        hint = next((script for start, script in PREPARED_BY.items() if root.startswith(start)), None)
        remedies = [f"create it with: {hint}"] if hint else []
        if phase not in ("train", "test"):  # one of several
            remedies.append(f"leave the set out with: --force_yml datasets:{phase}=none")
        raise UserError("; ".join([f"no folder {root}", *remedies]))
    if backend != "lmdb":
        return {}
    if not root.endswith(".lmdb"):  # BasicSR's own test
        raise UserError(f"{root} must end in .lmdb; for a folder of images set io_backend.type: disk")
    open_lmdb(folder).close()
    lines = read_meta(folder)
    if not lines:
        raise UserError(f"{root}/meta_info.txt: is empty; prepare the set again")
    for line in lines:
        if not line.key.isascii():
            raise UserError(f"{line.key!r} has characters beyond ASCII, which BasicSR rejects: rename the image")
    return {line.key: (line.height, line.width) for line in lines}


def _check_listed(file: str, paths: list[Any]) -> None:
    """Raise ``UserError`` for the first line of a meta_info_file whose images are missing."""
    lines = Path(file).read_text(encoding="utf-8").split("\n")
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


def _check_metrics(name: str, side: int, metrics: Mapping[str, dict[str, Any]]) -> None:
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
