"""Two runs under one name write into one folder, which the later one first renames."""

import atexit
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.utils.files import locked

_held = ExitStack()  # the lock of this process, which makes one run at a time
atexit.register(_held.close)


def own(opt: dict[str, Any], key: str) -> None:
    """Lock the folder ``path.<key>`` for the rest of the process, in the first of the run's processes.

    Raises:
        UserError: another run has locked it.
    """
    if opt.get("rank", 0) == 0:
        folder = Path(opt["path"][key])
        _held.close()
        _held.enter_context(locked(folder.parent / f".{folder.name}.lock", f"{folder} is in use by another run"))


@replaces(
    "basicsr.train:load_resume_state",
    "basicsr.test:make_exp_dirs",
    upstream="basicsr/train.py:99, test.py:19, utils/misc.py:35",
    is_needed=lambda load, make: "lock" not in source(load),
)
def patch(load: Function, make: Function) -> list[Function]:
    """A second training under the name of a running one renames its folder, and their states mix."""

    def load_resume_state(opt: dict[str, Any]) -> Any:
        """BasicSR's ``load_resume_state``, the first step of a training, in a folder that no other run uses."""
        own(opt, "experiments_root")
        return load(opt)

    def make_exp_dirs(opt: dict[str, Any]) -> None:
        """BasicSR's ``make_exp_dirs``, the first step of a test, in a folder that no other run uses."""
        own(opt, "results_root")
        make(opt)

    return [load_resume_state, make_exp_dirs]
