"""``basicsr check``: every check of a run, with all problems reported instead of the first."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from ssiu_arch.checks import datasets, network, option_file, options, samples, training
from ssiu_arch.checks.finding import Finding
from ssiu_arch.checks.trial import Trial
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import existing_parent, size_text

FLOAT32 = 4  # bytes


def findings(path: str, overrides: list[str], strict: bool) -> Iterator[Finding]:
    """Check a run and yield one finding after the other. Checks that depend on a failed one are skipped.

    Args:
        path: the option file, of a training if it has a section ``train``, else of a test.
        overrides: entries of ``--force_yml``.
        strict: whether an unknown option is an error; otherwise it is a warning.
    """
    try:
        is_train = "train" in option_file.load(path)
        opt = option_file.read(path, is_train, overrides)
    except UserError as error:
        yield Finding("error", "option file", str(error))
        return
    problems = options.problems(opt)
    for problem in problems:
        yield Finding("error", "option file", problem)
    if problems:
        return
    unknown = options.unknown(opt)
    for line in unknown:
        yield Finding("error" if strict else "warning", "option file", line)
    if not unknown:
        yield Finding("ok", "option file", f"{path}, a {'training' if is_train else 'test'}")

    types = _tried("types", option_file.check_types, opt)
    yield types
    if types.level == "ok":
        yield from _registered(opt, is_train)


def _tried(what: str, check: Callable[..., Any], *arguments: Any) -> Finding:
    try:
        check(*arguments)
    except UserError as error:
        return Finding("error", what, str(error))
    return Finding("ok", what, "no problem found")


def _registered(opt: dict[str, Any], is_train: bool) -> Iterator[Finding]:
    """The checks that need every ``type`` to be registered."""
    found: list[Finding] = []
    net = None
    try:
        net = network.build(opt)
        parameters = sum(parameter.numel() for parameter in net.parameters())
        yield Finding("ok", "network_g", f"{opt['network_g']['type']}, {parameters:,} parameters")
        found.append(_tried("weights", network.check_weights, opt, net))
        found.append(_tried("speed", training.check_acceleration, opt, net))
    except UserError as error:
        found.append(Finding("error", "network_g", str(error)))
    found += [_tried(what, part, opt) for what, part in training.PARTS]
    yield from found
    if opt.get("scale") is None:
        return
    for phase, dataset in opt["datasets"].items():
        of_set = list(_dataset(phase, dataset, opt))
        found += of_set
        yield from of_set
    if net is not None:
        if all(finding.level != "error" for finding in found if finding.what != "logger"):
            yield from Trial(opt, is_train).findings(net)
        yield from outputs(opt, net, Path.cwd())


def _dataset(phase: str, dataset: dict[str, Any], opt: dict[str, Any]) -> Iterator[Finding]:
    where = f"datasets.{phase}"
    basic = _tried(where, datasets.check_one, phase, dataset, opt["scale"])
    if basic.level == "error":
        yield basic
    elif dataset["type"] == "PairedImageDataset":
        metrics = ((opt.get("val") or {}).get("metrics") or {}).values() if phase != "train" else ()
        borders = {metric["type"]: metric.get("crop_border") or 0 for metric in metrics}
        yield from samples.check(where, dataset, opt["scale"], borders)
    else:
        yield Finding("ok", where, f"{dataset['type']}: its folders exist")


def outputs(opt: dict[str, Any], net: nn.Module, root: Path) -> Iterator[Finding]:
    """Check that the run can create its folders below ``root`` and that the disk holds its checkpoints."""
    train = opt.get("train")
    for kind in ("experiments", "tb_logger") if train else ("results",):
        if kind == "tb_logger" and not opt["logger"].get("use_tb_logger"):
            continue
        folder = root / kind / opt["name"]
        above = existing_parent(folder.parent)
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            yield Finding("error", "outputs", f"{folder} cannot be created: {above} is not writable")
        else:
            yield Finding("ok", "outputs", f"{kind}/{opt['name']} can be written")
    if not train:
        return
    count = int(train["total_iter"]) // int(opt["logger"]["save_checkpoint_freq"]) + 1
    needed, free = count * checkpoint_bytes(opt, net), shutil.disk_usage(root).free
    said = f"{count} checkpoints with their states take {size_text(needed)}, {size_text(free)} are free"
    if needed > free:
        yield Finding("error", "disk", f"{said}: raise logger.save_checkpoint_freq, or free some space")
    else:
        yield Finding("ok", "disk", said)


def checkpoint_bytes(opt: dict[str, Any], net: nn.Module) -> int:
    """Bytes of a checkpoint and its training state: weights, EMA, and two moments of Adam, in float32."""
    copies = 4 if opt["train"].get("ema_decay") else 3
    return sum(parameter.numel() for parameter in net.parameters()) * copies * FLOAT32
