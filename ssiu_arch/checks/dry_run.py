"""``basicsr check``: every check of a run, with all problems reported instead of the first."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from ssiu_arch.checks import cheap_checks, network, option_file, options, samples
from ssiu_arch.checks.finding import Finding, tried
from ssiu_arch.checks.trial import Trial
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import size_text
from ssiu_arch.utils.option_yaml import load


def findings(path: str, overrides: list[str], strict: bool, processes: int | None) -> Iterator[Finding]:
    """Check a run and yield one finding after the other. Checks that depend on a failed one are skipped.

    Args:
        path: the option file, of a training if it has a section ``train``, else of a test.
        overrides: entries of ``--force_yml``.
        strict: whether an unknown option is an error; otherwise it is a warning.
        processes: of the run; None without a launcher.
    """
    try:
        is_train = "train" in load(path)
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

    types = tried("types", option_file.check_types, opt)
    yield types
    if types.level == "ok":
        yield from _of_registered_types(opt, is_train, processes)


def _of_registered_types(opt: dict[str, Any], is_train: bool, processes: int | None) -> Iterator[Finding]:
    failed, net = set(), None
    try:
        net = network.build(opt)
        yield Finding("ok", "network_g", f"{opt['network_g']['type']}, {_parameters(net):,} parameters")
    except UserError as error:
        yield Finding("error", "network_g", str(error))
    for what, check in cheap_checks(opt, net, processes):
        found = [tried(what, check)]
        if what.startswith("datasets.") and found[0].level == "ok":
            found = [*samples.check(what, opt["datasets"][what.removeprefix("datasets.")], opt["scale"])] or found
        yield from found
        failed |= {finding.what for finding in found if finding.level == "error"}
    if net is None:
        return
    if failed <= {"logger"}:
        yield from Trial(opt, is_train).findings(_parameters(net))
    if is_train and "schedule" not in failed:
        yield tried("disk", check_disk, opt, net)


def check_disk(opt: dict[str, Any], net: nn.Module) -> str:
    """Compare the free space of the current folder with the size of all checkpoints, which it returns as text.

    Raises:
        UserError: they do not fit.
    """
    count = int(opt["train"]["total_iter"]) // int(opt["logger"]["save_checkpoint_freq"]) + 1
    needed, free = count * checkpoint_bytes(opt, net), shutil.disk_usage(Path.cwd()).free
    said = f"{count} checkpoints with their states take {size_text(needed)}, {size_text(free)} are free"
    if needed > free:
        raise UserError(f"{said}: raise logger.save_checkpoint_freq, or free some space")
    return said


def checkpoint_bytes(opt: dict[str, Any], net: nn.Module) -> int:
    """Bytes of a checkpoint and its training state: weights, EMA, and two moments of Adam, 4 bytes a value."""
    return _parameters(net) * (4 if opt["train"].get("ema_decay") else 3) * 4


def _parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())
