"""Checks of a run before it starts: the cheap ones begin each training and test, ``basicsr check`` runs all.

They raise ``UserError`` and write nothing. They run first because BasicSR begins by archiving the folder of an earlier
run with the same name: after that, no option should turn out to be wrong.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from torch import nn

from ssiu_arch.checks import datasets, network, options, training
from ssiu_arch.utils.errors import UserError


def check_run(
    path: str, is_train: bool, overrides: list[str] | None = None, processes: int | None = None
) -> dict[str, Any]:
    """Check the option file of a training or a test, and the data and weights it names.

    Args:
        path: the option file.
        is_train: whether the run is a training or a test.
        overrides: entries of ``--force_yml``.
        processes: of the run; None without a launcher.

    Returns:
        The options as BasicSR will read them.

    Raises:
        UserError: the first problem found.
    """
    opt = options.read(path, is_train, overrides or [])
    for problem in options.problems(opt):
        raise UserError(problem)
    options.check_types(opt)
    for _, check in cheap_checks(opt, network.build(opt), processes):
        check()
    return opt


def cheap_checks(
    opt: dict[str, Any], net: nn.Module | None, processes: int | None
) -> Iterator[tuple[str, Callable[[], str | None]]]:
    """Yield name and function of each check of options whose types are registered; they raise ``UserError``.

    ``net`` is the network of ``opt``; None, if it cannot be built: what needs it is left out. ``processes`` is that of
    ``check_run``.
    """
    yield "GPUs", partial(training.check_gpus, opt, processes)
    if net is not None:
        yield "weights", partial(network.check_weights, opt, net)
        yield "speed", partial(training.check_acceleration, opt, net)
    for what, part in training.PARTS:
        yield what, partial(part, opt)
    metrics = (opt.get("val") or {}).get("metrics")
    for phase, dataset in opt["datasets"].items():
        yield f"datasets.{phase}", partial(datasets.check_one, phase, dataset, opt["scale"], processes or 1, metrics)
