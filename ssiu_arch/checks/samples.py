"""A sample of a data set's pairs, decoded: are they images, of the right scale, and do they show the same?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssiu_arch.checks import datasets
from ssiu_arch.checks.finding import Finding, refused
from ssiu_arch.data.images import decode_image
from ssiu_arch.utils import lmdb_health
from ssiu_arch.utils.errors import UserError

PAIRS = 16
PART = 384  # pixels of GT that are compared, at most
SAME = 0.5  # correlation of LQ with GT made small, below which they show different things
NEAR = 20.0  # dB between them, below which LQ is more than a smaller GT
SSIM_WINDOW = 11


def check(where: str, options: dict[str, Any], scale: int, borders: dict[str, int]) -> Iterator[Finding]:
    """Decode a sample of the pairs of a ``PairedImageDataset`` that has passed ``datasets.check_one``.

    Args:
        where: the data set in the option file, ``datasets.val``.
        options: its options.
        scale: the super-resolution factor.
        borders: the ``crop_border`` of every metric by its type; empty for a training set.
    """
    is_train = where == "datasets.train"
    dataset = datasets.paired_dataset(where, options, scale)
    chosen = [dataset.paths[n * len(dataset.paths) // PAIRS] for n in range(PAIRS)]
    chosen = list({pair["gt_path"]: pair for pair in chosen}.values())
    try:
        read = _reader(where, dataset, chosen)
    except UserError as error:
        yield refused(where, error)
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
                yield refused(where, error)
    if failed > 3:
        yield Finding("error", where, f"{failed - 3} more of the {len(chosen)} pairs looked at are bad")
    for note in sorted(notes):
        yield Finding("warning", where, note)
    if not failed:
        yield Finding("ok", where, f"{len(dataset.paths)} pairs, {len(chosen)} of them decoded and compared")


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
    """An image as it is in its file, and as BasicSR will have it, 8 bit BGR."""
    raw = datasets.decode(where, name, data)
    try:
        decode_image(bytes(data), name)  # checksums, which OpenCV lets pass
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    return raw, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def _changes(raw: Any) -> Iterator[str]:
    """What BasicSR's decoding silently does to an image."""
    if raw.dtype != np.uint8:
        yield f"there are images of {raw.dtype.itemsize * 8} bit, which BasicSR cuts to 8"
    if raw.ndim == 2:
        yield "there are grey images, which BasicSR takes for three equal channels"
    elif raw.shape[2] == 4:
        yield "there are images with an alpha channel, which BasicSR drops"


def _check_window(where: str, name: str, lq: datasets.Size, scale: int, borders: dict[str, int]) -> None:
    for metric, border in borders.items():
        inside, least = min(lq) * scale - 2 * border, SSIM_WINDOW if "ssim" in metric else 1
        if inside < least:
            raise UserError(
                f"{where}: {name}: {inside} pixels are left inside crop_border ({border}), {metric} needs {least}"
            )


def _compare(where: str, name: str, gt: Any, lq: Any, scale: int) -> Iterator[str]:
    side = PART // scale
    lq = lq[:side, :side].astype(np.float64)
    gt = gt[: lq.shape[0] * scale, : lq.shape[1] * scale]
    small = cv2.resize(gt, lq.shape[1::-1], interpolation=cv2.INTER_AREA).astype(np.float64)
    deviations = (lq - lq.mean()).ravel(), (small - small.mean()).ravel()
    norms = [float(np.linalg.norm(deviation)) for deviation in deviations]
    if min(norms) > 2 * np.sqrt(lq.size):  # a flat image correlates with nothing
        correlation = float(deviations[0] @ deviations[1]) / (norms[0] * norms[1])
        if correlation < SAME:
            raise UserError(f"{where}: {name}: LQ does not show what GT shows (correlation {correlation:.2f})")
    mse = float(np.mean((lq - small) ** 2))
    if mse > 255**2 / 10 ** (NEAR / 10):
        yield "LQ differs from GT made small by more than 20 dB allow: shifted, or degraded on purpose"
