"""A sample of the pairs of a data set, decoded: valid images, the right scale, the same content."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssiu_arch.checks import datasets
from ssiu_arch.checks.finding import Finding
from ssiu_arch.utils import lmdb_health
from ssiu_arch.utils.errors import UserError

PAIRS = 16
PART = 384  # GT pixels per side that are compared
SAME = 0.5  # a lower correlation of LQ and downscaled GT means different content
NEAR = 20.0  # dB; a lower PSNR of LQ and downscaled GT means more than downscaling
SSIM_WINDOW = 11


def check(where: str, options: dict[str, Any], scale: int, borders: dict[str, int]) -> Iterator[Finding]:
    """Decode and compare a sample of pairs of a ``PairedImageDataset`` that has passed ``datasets.check_one``.

    Args:
        where: the data set in the option file, for example ``datasets.val``.
        options: its options.
        scale: the super-resolution factor.
        borders: ``crop_border`` by type of metric; empty for a training set.
    """
    is_train = where == "datasets.train"
    dataset = datasets.build(where, options, scale)
    chosen = [dataset.paths[n * len(dataset.paths) // PAIRS] for n in range(PAIRS)]
    chosen = list({pair["gt_path"]: pair for pair in chosen}.values())
    try:
        read = _reader(where, dataset, chosen)
    except UserError as error:
        yield Finding("error", where, str(error))
        return
    failed, notes = 0, set()
    for pair in chosen:
        try:
            gt, lq = (_image(where, pair[f"{side}_path"], read(pair[f"{side}_path"], side)) for side in ("gt", "lq"))
            notes |= {note for raw, _ in (gt, lq) for note in _changes(raw)}
            patch = options["gt_size"] if is_train else None
            name = Path(pair["gt_path"]).name
            datasets.check_sizes(where, name, gt[1].shape[:2], lq[1].shape[:2], scale, patch)
            _check_window(where, name, lq[1].shape[:2], scale, borders)
            notes |= set(_compare(where, name, gt[1], lq[1], scale))
        except UserError as error:
            failed += 1
            if failed <= 3:
                yield Finding("error", where, str(error))
    if failed > 3:
        yield Finding("error", where, f"{failed - 3} more of the {len(chosen)} sampled pairs have errors")
    for note in sorted(notes):
        yield Finding("warning", where, note)
    if not failed:
        yield Finding("ok", where, f"{len(dataset.paths)} pairs, a sample of {len(chosen)} decoded and compared")


def _reader(where: str, dataset: Any, chosen: list[dict[str, str]]) -> Any:
    if dataset.io_backend_opt["type"] != "lmdb":
        return lambda path, side: datasets.read(where, path)
    folders = {"gt": dataset.gt_folder, "lq": dataset.lq_folder}
    for side, folder in folders.items():
        lmdb_health.check(where, folder, [pair[f"{side}_path"] for pair in chosen])
    from basicsr.utils import FileClient

    client = FileClient("lmdb", db_paths=list(folders.values()), client_keys=list(folders))
    return client.get


def _image(where: str, name: str, data: bytes) -> tuple[Any, Any]:
    """An image without conversion, and as BasicSR decodes it: 8-bit BGR."""
    raw = datasets.decode(where, name, bytes(data))
    return raw, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def _changes(raw: Any) -> Iterator[str]:
    """Yield what BasicSR's decoding silently changes in an image."""
    if raw.dtype != np.uint8:
        yield f"some images have {raw.dtype.itemsize * 8} bit, BasicSR reduces them to 8"
    if raw.ndim == 2:
        yield "some images are greyscale, BasicSR repeats their channel three times"
    elif raw.shape[2] == 4:
        yield "some images have an alpha channel, BasicSR drops it"


def _check_window(where: str, name: str, lq: datasets.Size, scale: int, borders: dict[str, int]) -> None:
    for metric, border in borders.items():
        inside, least = min(lq) * scale - 2 * border, SSIM_WINDOW if "ssim" in metric else 1
        if inside < least:
            raise UserError(
                f"{where}: {name}: crop_border ({border}) leaves {inside} pixels, {metric} needs {least}: lower it"
            )


def _compare(where: str, name: str, gt: Any, lq: Any, scale: int) -> Iterator[str]:
    side = PART // scale
    lq = lq[:side, :side].astype(np.float64)
    gt = gt[: lq.shape[0] * scale, : lq.shape[1] * scale]
    small = cv2.resize(gt, lq.shape[1::-1], interpolation=cv2.INTER_AREA).astype(np.float64)
    deviations = (lq - lq.mean()).ravel(), (small - small.mean()).ravel()
    norms = [float(np.linalg.norm(deviation)) for deviation in deviations]
    if min(norms) > 2 * np.sqrt(lq.size):  # correlation means nothing for a flat image
        correlation = float(deviations[0] @ deviations[1]) / (norms[0] * norms[1])
        if correlation < SAME:
            raise UserError(
                f"{where}: {name}: LQ and GT show different content (correlation {correlation:.2f}): check the pairing"
            )
    mse = float(np.mean((lq - small) ** 2))
    if mse > 255**2 / 10 ** (NEAR / 10):
        yield "LQ is below 20 dB PSNR to downscaled GT: it is shifted, or degraded on purpose"
