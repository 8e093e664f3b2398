"""Weights are shipped where they are better than those from before: beside them curves, record and card."""

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.train_weights import card
from benchmarks.train_weights.log import Row
from benchmarks.train_weights.plan import Plan
from benchmarks.train_weights.scores import device, photo_psnr, psnr, psnr_and_ssim, read_pairs
from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.data.bicubic import bicubic_scores
from ssiu_arch.data.script import cores
from ssiu_arch.evaluation.provenance import versions
from ssiu_arch.tools.profile.run import machine
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import read_json, write_file, write_json
from ssiu_arch.weights.reading import read_checkpoint
from ssiu_arch.weights.shipped import weights_file
from ssiu_arch.weights.ssiu import Weights, find_ssiu
from ssiu_arch.weights.writing import as_bytes, halved

Folders = tuple[Path, Path]  # of HR and LR


@dataclass(frozen=True)
class Outcome:
    """What became of the weights of a stint: their PSNR on the validation set, what they had to beat, in dB."""

    new: float
    before: float
    what: str  # was before: the shipped weights, or bicubic interpolation

    @property
    def better(self) -> bool:
        """Whether they are shipped; a PSNR that is no number is not better."""
        return self.new > self.before


def ship(
    plan: Plan,
    trained: Path,
    iterations: int,
    rows: Sequence[Row],
    folder: Path,
    validation: tuple[str, Folders],
    benchmarks: Mapping[str, Folders],
) -> Outcome:
    """Compare trained weights, in half precision, with those in ``folder``, and put them there if they are better.

    Args:
        plan: of the stint that trained them.
        trained: a checkpoint of BasicSR.
        iterations: after which it was saved.
        rows: of its log.
        folder: of ``SSIU_x4.pth`` and what belongs to it.
        validation: name and folders of the set that decides.
        benchmarks: sets that are measured if they are, by name.

    Raises:
        UserError: something cannot be read or written.
    """
    found = find_ssiu(trained, read_checkpoint(trained), None)
    tensors, _ = halved(found.tensors)
    net, target, (name, folders) = _network(tensors, found.options), weights_file(folder, plan.scale), validation
    pairs = list(read_pairs(*folders, plan.scale))
    bicubic, _ = bicubic_scores(pairs, plan.scale)
    before, what = bicubic, "bicubic interpolation"
    if target.is_file():
        old = find_ssiu(target, read_checkpoint(target), None)
        before, what = psnr(_network(old.tensors, old.options), pairs), "the weights shipped before"
    outcome = Outcome(psnr(net, pairs), before, what)
    if not outcome.better:
        return outcome
    scores, ssim = {name: outcome.new}, {}
    for benchmark, where in benchmarks.items():
        scores[benchmark], ssim[benchmark] = psnr_and_ssim(net, read_pairs(*where, plan.scale))
    data = as_bytes(Weights(tensors, found.options, found.key), ".pth")
    known = [row for row in rows if row.iteration <= iterations]  # after a kill the log goes beyond what was saved
    history = earlier_stints(folder, plan.scale)[: plan.earlier]
    record = {
        "scale": plan.scale,
        "sha256": hashlib.sha256(data).hexdigest(),
        "scores": scores,
        "ssim": ssim,
        "bicubic": {name: bicubic},
        "photo_psnr": photo_psnr(net),
        "versions": versions(),
        "stints": [*history, facts(plan, iterations, known)],
    }
    _write(record, data, known, target)
    return outcome


def facts(plan: Plan, iterations: int, rows: Sequence[Row]) -> dict[str, Any]:
    """What there is to say about a stint: predicted and measured."""
    where = device()
    return {
        "start": plan.started_with,
        "rate": plan.rate,
        "planned": plan.schedule["iterations"],
        "predicted_rate": plan.pace["rate"],
        "expected": plan.expected,
        "iterations": iterations,
        "measured_rate": 1 / statistics.median(row.seconds or 1e-6 for row in rows) if rows else 0.0,
        "seconds": plan.seconds,
        "device": machine(where) + (f", {cores()} cores" if where.type == "cpu" else ""),
        "data": plan.data,
        "command": plan.command,
    }


def earlier_stints(folder: Path, scale: int) -> list[dict[str, Any]]:
    """The stints of the weights that are shipped.

    Raises:
        UserError: the record beside them is none.
    """
    path = weights_file(folder, scale).with_suffix(".json")
    held = read_json(path)
    if held is None:
        return []
    if not isinstance(held, dict) or not isinstance(held.get("stints"), list):
        raise UserError(f"{path}: is no record of shipped weights; move it")
    return held["stints"]


def _write(record: dict[str, Any], data: bytes, rows: Sequence[Row], target: Path) -> None:
    """Write all files, the weights last: after a kill before that they are shipped anew."""
    csv_file = target.with_suffix(".csv")
    text = card.curves(csv_file.read_text() if csv_file.is_file() else "", len(record["stints"]), rows)
    write_file(csv_file, text.encode())
    write_file(target.with_suffix(".png"), card.plot(text, f"SSIU x{record['scale']}"))
    write_file(target.with_suffix(".md"), card.card(record).encode())
    write_json(target.with_suffix(".json"), record)
    write_file(target, data)


def _network(tensors: dict[str, Any], options: dict[str, Any]) -> SSIU:
    net = SSIU(**options)
    net.load_state_dict(tensors)
    return net.to(device()).eval()
