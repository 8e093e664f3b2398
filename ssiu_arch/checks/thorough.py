"""What ``basicsr check`` adds to the cheap checks: all findings instead of the first, and what takes seconds."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ssiu_arch.checks import datasets, network, option_file, options, outputs, registered, samples, scores, training
from ssiu_arch.checks import trial as trials
from ssiu_arch.checks.finding import Finding, refused
from ssiu_arch.utils.errors import UserError


def findings(path: str, is_train: bool | None, overrides: list[str], strict: bool) -> Iterator[Finding]:
    """Check a run, a finding after the other; what rests on something that is wrong is left out.

    Args:
        path: the option file.
        is_train: whether it is to be trained, or tested; None: trained if it has a section ``train``.
        overrides: entries of ``--force_yml``.
        strict: whether an option that nothing reads is an error.
    """
    try:
        if is_train is None:
            is_train = "train" in option_file.load(path)
        opt = option_file.read(path, is_train, overrides)
    except UserError as error:
        yield refused("option file", error)
        return
    problems = options.problems(opt)
    for problem in problems:
        yield Finding("error", "option file", problem)
    if problems:
        return
    unread = options.unknown(opt)
    for line in unread:
        yield Finding("error" if strict else "warning", "option file", line)
    if not unread:
        yield Finding("ok", "option file", f"{path}, a {'training' if is_train else 'test'}")

    types = _tried("types", registered.check, opt)
    yield types
    if types.level == "ok":
        yield from _of_registered(opt, is_train)


def _tried(what: str, check: Callable[..., Any], *arguments: Any) -> Finding:
    try:
        check(*arguments)
    except UserError as error:
        return refused(what, error)
    return Finding("ok", what, "in order")


def _of_registered(opt: dict[str, Any], is_train: bool) -> Iterator[Finding]:
    """What can be checked once all types are known."""
    net = None
    try:
        net = network.build(opt)
        parameters = sum(parameter.numel() for parameter in net.parameters())
        yield Finding("ok", "network_g", f"{opt['network_g']['type']}, {parameters:,} parameters")
    except UserError as error:
        yield refused("network_g", error)
    if net is not None:
        yield _tried("weights", network.check_weights, opt, net)
    rest = [_tried(what, part, opt) for what, part in (*training.PARTS, ("scores", scores.check))]
    if net is not None:
        rest.append(_tried("speed", training.check_ways, opt, net))
    yield from rest
    if opt.get("scale") is None:
        return
    for phase, dataset in opt["datasets"].items():
        found = list(_dataset(phase, dataset, opt))
        rest += found
        yield from found
    if all(finding.level != "error" for finding in rest if finding.what not in ("schedule", "logger")):
        yield from trials.metrics(opt)
        if is_train and net is not None:
            yield from trials.iteration(opt, net)
    if net is not None:
        yield from outputs.check(opt, net, Path.cwd())


def _dataset(phase: str, dataset: dict[str, Any], opt: dict[str, Any]) -> Iterator[Finding]:
    where = f"datasets.{phase}"
    try:
        datasets.check_one(phase, dataset, opt["scale"])
    except UserError as error:
        yield refused(where, error)
        return
    if dataset["type"] == "PairedImageDataset":
        metrics = ((opt.get("val") or {}).get("metrics") or {}).values() if phase != "train" else ()
        borders = {metric["type"]: metric.get("crop_border") or 0 for metric in metrics}
        yield from samples.check(where, dataset, opt["scale"], borders)
    else:
        yield Finding("ok", where, f"{dataset['type']}: its folders are there")
