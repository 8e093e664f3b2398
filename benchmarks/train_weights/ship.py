"""Ship the newest weights of a training if they beat the shipped ones; score networks; write validation pairs."""

import argparse
import csv
import hashlib
import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pictures

from benchmarks.train_weights import card
from benchmarks.train_weights.log import Row, read_logs
from benchmarks.train_weights.process import EXPERIMENTS
from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.data.bicubic import enlarge
from ssiu_arch.data.images import Image, list_images, read_image, write_image
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.evaluation.provenance import versions
from ssiu_arch.inference import Upscaler
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import read_json, write_file, write_json
from ssiu_arch.utils.timing import machine
from ssiu_arch.weights import load
from ssiu_arch.weights.shipped import weights_file
from ssiu_arch.weights.ssiu import Weights, find_ssiu
from ssiu_arch.weights.writing import as_bytes, halved

Pair = tuple[Image, Image]  # HR (H, W, 3) and LR (h, w, 3), BGR
PAPER_SETS = ("Set5", "Set14", "B100", "Urban100", "Manga109")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def ship(options: dict[str, Any], given: argparse.Namespace) -> str:
    """Compare the newest weights (EMA, in half precision) with the shipped ones; replace those if they are worse.

    The mean PSNR on the validation photos decides; if no weights are shipped yet, that of bicubic interpolation counts.
    ``given`` is the command line. Returns one line that says what was done.
    """
    scale, run, target = options["scale"], EXPERIMENTS / options["name"], weights_file(given.folder, options["scale"])
    photos = count_photos(given.photos, given.sources, options["datasets"]["train"]["gt_size"])
    benchmarks = find_benchmarks(given.benchmarks) if given.benchmarks else []
    hr = given.validation or Path(options["datasets"]["val"]["dataroot_gt"])
    weights, iterations = newest_weights(run / "models")
    pairs, net = list(read_pairs(hr, scale)), SSIU(**weights.options)
    net.load_state_dict(weights.tensors)
    bicubic = {set_name(hr): bicubic_scores(pairs, scale)}
    before = score(load(target), pairs) if target.is_file() else bicubic[set_name(hr)]
    scores = {set_name(hr): score(net, pairs)}
    compared = f"{scores[set_name(hr)][0]:.4f} dB on {set_name(hr)}, before {before[0]:.4f} dB"
    if not scores[set_name(hr)][0] > before[0]:  # a NaN is not better
        return f"not shipped: {compared}"
    for name in benchmarks:
        pairs = list(read_pairs(given.benchmarks / name / "HR", scale))
        bicubic[name], scores[name] = bicubic_scores(pairs, scale), score(net, pairs)
    rows = [row for row in read_logs(run) if row.iteration <= iterations]  # after a kill the log may go beyond
    start = read_json(EXPERIMENTS / f"{options['name']}.json")
    if start is None:  # basicsr train was called directly
        named = (options.get("path") or {}).get("pretrain_network_g") or "from scratch"
        start = {
            "start": Path(named).name,
            "earlier": 0,
            "command": f"basicsr train -opt {given.opt.name} --auto_resume",
        }
    earlier = (read_json(target.with_suffix(".json")) or {"runs": []})["runs"][: start["earlier"]]
    content = as_bytes(weights.tensors, ".pth")
    record = {
        "scale": scale,
        "sha256": hashlib.sha256(content).hexdigest(),
        "scores": scores,
        "bicubic": bicubic,
        "photo_psnr": photo_psnr(net),
        "versions": versions(),
        "runs": [*earlier, {**facts(options, iterations, rows), **photos, "note": given.note, **start}],
    }
    write(record, rows, content, target)
    return f"shipped: {compared}; written to {target}"


def facts(options: dict[str, Any], iterations: int, rows: list[Row]) -> dict[str, Any]:
    """Return what the record says of a run; its seconds leave out validations and pauses."""
    train, data = options["train"], options["datasets"]["train"]
    seconds = statistics.median(row.seconds for row in rows) if rows else 0.0
    return {
        "learning_rate": train["optim_g"]["lr"],
        "periods": train["scheduler"]["periods"],
        "eta_min": train["scheduler"]["eta_min"],
        "batch": data["batch_size_per_gpu"],
        "patch": data["gt_size"] // options["scale"],
        "iterations": iterations,
        "seconds": iterations * seconds,
        "device": machine(DEVICE) + ("" if DEVICE.type == "cuda" else f", {len(os.sched_getaffinity(0))} cores"),
    }


def write(record: dict[str, Any], rows: list[Row], content: bytes, target: Path) -> None:
    """Write all files, the weights last: after a kill before that, the same command does it all again."""
    curves = target.with_suffix(".csv")
    text = card.curves(curves.read_text() if curves.is_file() else "", len(record["runs"]), rows)
    write_file(curves, text.encode())
    write_file(target.with_suffix(".png"), card.plot(text, f"SSIU x{record['scale']}"))
    write_file(target.with_suffix(".md"), card.card(record).encode())
    write_json(target.with_suffix(".json"), record)
    write_file(target, content)


def newest_weights(models: Path) -> tuple[Weights, int]:
    """Return the last saved weights, rounded to half precision, and their iteration.

    Raises:
        UserError: none were saved yet.
    """
    saved = {int(path.stem.removeprefix("net_g_")): path for path in models.glob("net_g_[0-9]*.pth")}
    if not saved:
        raise UserError(f"{models}: holds no net_g_N.pth; wait for the first checkpoint")
    file = saved[max(saved)]
    found = find_ssiu(file)
    return found._replace(tensors=halved(found.tensors)), max(saved)


def count_photos(photos: Path, table: Path | None, smallest: int) -> dict[str, Any]:
    """Return ``images``, ``megapixels`` and ``sources`` (source, licence, images) of photos.

    Those with a side below ``smallest`` pixels, which a training patch does not fit in, do not count.

    Raises:
        UserError: the CSV cannot be read or lacks a column, or there are no photos.
    """
    try:
        text = table.read_text(encoding="utf-8-sig") if table else ""
        rows = csv.DictReader(text.splitlines())
        known = {str(Path(row["file"]).with_suffix("")): (row["source"], row["licence"]) for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise UserError(f"--sources {table}: needs the columns file, source, licence ({error!r})") from None
    pixels, origins = 0, Counter[tuple[str, str]]()
    for path in list_images(photos, recursive=True):
        with Pictures.open(path) as picture:
            width, height = picture.size
        if min(width, height) >= smallest:
            pixels += width * height
            bare = path.relative_to(photos).with_suffix("")  # the photo may have another format now
            source, licence = known.get(str(bare)) or known.get(bare.name) or ("", "")
            origins[source or "not named", licence or "not known"] += 1
    if not pixels:
        raise UserError(f"--photos {photos}: holds no image of {smallest} pixels or more a side")
    sources = [[*origin, count] for origin, count in origins.most_common()]
    return {"images": origins.total(), "megapixels": pixels / 1e6, "sources": sources}


def find_benchmarks(folder: Path) -> list[str]:
    """Return the names of the sets in a folder, those with a folder ``HR``: the paper's first, in its order.

    Raises:
        UserError: there are none.
    """
    names = sorted(path.parent.name for path in folder.glob("*/HR"))
    if not names:
        raise UserError(f"--benchmarks {folder}: holds no folder SET/HR, such as Set5/HR")
    return sorted(names, key=lambda name: PAPER_SETS.index(name) if name in PAPER_SETS else len(PAPER_SETS))


def set_name(hr: Path) -> str:
    """Return the name of a set by its HR folder: ``Set5`` of ``Set5/HR``."""
    return hr.absolute().parent.name if hr.name == "HR" else hr.name


def read_pairs(hr: Path, scale: int) -> Iterator[Pair]:
    """Yield HR images of a folder with their LR by MATLAB's bicubic, both (H, W, 3) BGR, uint8.

    Raises:
        UserError: the folder holds no images.
    """
    paths = list_images(hr)
    if not paths:
        raise UserError(f"{hr}: holds no images")
    for image in map(read_image, paths):
        yield image, make_lr(image, scale)


def write_pairs(options: dict[str, Any], photos: Path) -> str:
    """Write photos to ``datasets.val.dataroot_gt`` and their LR to ``dataroot_lq``, as PNG; return one line."""
    val, names = options["datasets"]["val"], [f"{path.stem}.png" for path in list_images(photos)]
    for name, (hr, lr) in zip(names, read_pairs(photos, options["scale"]), strict=True):
        write_image(Path(val["dataroot_gt"]) / name, hr)
        write_image(Path(val["dataroot_lq"]) / name, lr)
    return f"{len(names)} pairs written to {val['dataroot_gt']} and {val['dataroot_lq']}"


def mean_scores(
    pairs: Iterable[Pair], scale: int, enlarged_by: Callable[[Image], Image], names: Sequence[str] = ("psnr", "ssim")
) -> list[float]:
    """Mean scores of an upscaler over pairs: BasicSR's metrics on Y, crop border ``scale``.

    HR is cropped to the size of the result. Imports BasicSR and torch, which takes seconds.

    Args:
        pairs: HR and LR.
        scale: crop border in pixels.
        enlarged_by: the upscaler, from (h, w, 3) to (scale h, scale w, 3), BGR, uint8.
        names: ``psnr`` (dB), ``ssim``.
    """
    from basicsr.metrics import calculate_metric

    metrics = [{"type": f"calculate_{name}", "crop_border": scale, "test_y_channel": True} for name in names]
    results = ((hr, enlarged_by(lr)) for hr, lr in pairs)
    images = ({"img": result, "img2": hr[: result.shape[0], : result.shape[1]]} for hr, result in results)
    scores = [[calculate_metric(pair, options) for options in metrics] for pair in images]
    return [float(sum(column) / len(column)) for column in zip(*scores, strict=True)]


def bicubic_scores(pairs: Iterable[Pair], scale: int) -> tuple[float, float]:
    """Mean PSNR (dB) and SSIM of bicubic interpolation over pairs; see ``mean_scores``."""
    psnr, ssim = mean_scores(pairs, scale, lambda lr: enlarge(lr, scale))
    return psnr, ssim


def score(net: SSIU, pairs: Iterable[Pair]) -> tuple[float, float]:
    """Return the mean PSNR (dB) and SSIM of a network: BasicSR's, on Y, border ``upscale``, of 8-bit output."""
    upscaler = Upscaler(net.to(DEVICE).eval())  # takes RGB
    psnr, ssim = mean_scores(pairs, net.upscale, lambda lr: upscaler(np.ascontiguousarray(lr[..., ::-1]))[..., ::-1])
    return psnr, ssim


def photo_psnr(net: SSIU) -> float:
    """Return the PSNR of a network on a crop of scikit-image's photo ``coffee``; a test pins it."""
    from skimage.data import coffee

    hr = np.ascontiguousarray(coffee()[100:292, 200:392, ::-1])
    return score(net, [(hr, make_lr(hr, net.upscale))])[0]
