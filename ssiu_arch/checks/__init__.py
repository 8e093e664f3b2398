"""What can be known to be wrong with a run before it starts: the cheap checks that train and test begin with.

All of them raise ``UserError``, and none writes anything: BasicSR's first act is to archive the folder of an earlier
run of the same name, so whatever can fail should have failed by then.
"""

from pathlib import Path
from typing import Any

from ssiu_arch.checks import datasets, network, option_file, options, registered, scores, training
from ssiu_arch.utils.errors import UserError


def check_run(path: str, is_train: bool, overrides: list[str] | None = None) -> dict[str, Any]:
    """Check the option file of a training or a test, and what it names.

    Args:
        path: the option file.
        is_train: whether it is to be trained, or tested.
        overrides: entries of ``--force_yml``.

    Returns:
        The options as BasicSR is going to see them.

    Raises:
        UserError: for the first thing that is wrong.
    """
    opt = option_file.read(path, is_train, overrides or [])
    options.check(opt)
    registered.check(opt)
    net = network.build(opt)
    network.check_weights(opt, net)
    training.check(opt)
    training.check_ways(opt, net)
    scores.check(opt)
    datasets.check(opt)
    for folder in map(Path, ("experiments", "tb_logger") if is_train else ("results",)):
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder.absolute()} is a file where the run makes a folder: move it, or run elsewhere")
    return opt
