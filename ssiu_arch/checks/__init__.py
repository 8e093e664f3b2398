"""Checks of a run before it starts: the cheap ones begin each training and test, ``basicsr check`` runs all.

They raise ``UserError`` and write nothing. They run first because BasicSR begins by archiving the folder of an earlier
run with the same name: after that, no option should turn out to be wrong.
"""

from pathlib import Path
from typing import Any

from ssiu_arch.checks import datasets, network, option_file, options, training
from ssiu_arch.utils.errors import UserError


def check_run(path: str, is_train: bool, overrides: list[str] | None = None) -> dict[str, Any]:
    """Check the option file of a training or a test, and the data and weights it names.

    Args:
        path: the option file.
        is_train: whether the run is a training or a test.
        overrides: entries of ``--force_yml``.

    Returns:
        The options as BasicSR will read them.

    Raises:
        UserError: the first problem found.
    """
    opt = option_file.read(path, is_train, overrides or [])
    options.check(opt)
    option_file.check_types(opt)
    net = network.build(opt)
    network.check_weights(opt, net)
    training.check(opt)
    training.check_acceleration(opt, net)
    datasets.check(opt)
    for folder in map(Path, ("experiments", "tb_logger") if is_train else ("results",)):
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder.absolute()} is a file, but the run needs a folder there: move it")
    return opt
