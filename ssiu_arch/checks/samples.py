"""A sample of the pairs of a data set, decoded: valid images, the right scale, the same content."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssiu_arch.checks import datasets
from ssiu_arch.checks.finding import Finding, located
from ssiu_arch.data.images import decode_image
from ssiu_arch.utils import lmdb_health
from ssiu_arch.utils.errors import UserError

PAIRS = 16
PART = 384  # GT pixels per side that are compared
SAME = 0.5  # a lower correlation of LQ and downscaled GT means different content
NEAR = 20.0  # dB; a lower PSNR of LQ and downscaled GT means more than downscaling


def check(where: str, options: dict[str, Any], scale: int) -> Iterator[Finding]:
    """Decode and compare a sample of pairs of a data set that has passed ``datasets.check_one``.

    Args:
        where: the data set in the option file, for example ``datasets.val``.
        options: its options; nothing is done for other types than ``PairedImageDataset``.
        scale: the super-resolution factor.
    """
    from basicsr.utils import FileClient

    if options["type"] != "PairedImageDataset":
        return
    dataset = datasets.build(where, options, scale)
    chosen = [dataset.paths[n * len(dataset.paths) // PAIRS] for n in range(PAIRS)]
    chosen = list({pair["gt_path"]: pair for pair in chosen}.values())
    errors: list[str] = []
    notes: set[str] = set()
    backend = dict(dataset.io_backend_opt)
    try:
        if backend["type"] == "lmdb":
            for side, folder in (("gt", dataset.gt_folder), ("lq", dataset.lq_folder)):
                lmdb_health.check(where, folder, [pair[f"{side}_path"] for pair in chosen])
        client = FileClient(backend.pop("type"), **backend)
    except UserError as error:
        yield Finding("error", where, str(error))
        return
    patch = options["gt_size"] if where == "datasets.train" else None
    for pair in chosen:
        paths = {side: pair[f"{side}_path"] for side in ("gt", "lq")}
        try:
            with located(f"{where}: {Path(paths['gt']).name}"):
                gt, lq = (_decoded(client.get(path, side), path, notes) for side, path in paths.items())
                datasets.check_sizes("this pair", gt.shape[:2], lq.shape[:2], scale, patch)
                _compare(gt, lq, scale, notes)
        except UserError as error:
            errors.append(str(error))
    if len(errors) > 3:
        errors[3:] = [f"{len(errors) - 3} more of the {len(chosen)} sampled pairs have errors"]
    for line in errors:
        yield Finding("error", where, line)
    for note in sorted(notes):
        yield Finding("warning", where, note)
    if not errors:
        yield Finding("ok", where, f"{len(dataset.paths)} pairs, a sample of {len(chosen)} decoded and compared")


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


def _compare(gt: Any, lq: Any, scale: int, notes: set[str]) -> None:
    side = PART // scale
    lq = lq[:side, :side].astype(np.float64)
    gt = gt[: lq.shape[0] * scale, : lq.shape[1] * scale]
    small = cv2.resize(gt, lq.shape[1::-1], interpolation=cv2.INTER_AREA).astype(np.float64)
    if min(lq.std(), small.std()) > 2:  # correlation means nothing for a flat image
        correlation = np.corrcoef(lq.ravel(), small.ravel())[0, 1]
        if correlation < SAME:
            raise UserError(f"LQ and GT show different content (correlation {correlation:.2f}): check the pairing")
    if np.mean((lq - small) ** 2) > 255**2 / 10 ** (NEAR / 10):
        notes.add("LQ is below 20 dB PSNR to downscaled GT: it is shifted, or degraded on purpose")
