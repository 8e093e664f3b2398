"""Every key below ``path:`` that BasicSR does not know becomes a folder of that name; an empty one, a TypeError."""

import functools
from typing import Any

from ssiu_arch.repairs.repair import Repair, replace_everywhere

FOLDERS = {"experiments_root", "results_root", "models", "training_states", "log", "visualization"}


def _is_needed() -> bool:
    from basicsr.utils import misc

    return hasattr(misc, "make_exp_dirs") and not hasattr(misc.make_exp_dirs, "known_folders_only")


def _apply() -> None:
    from basicsr.utils import misc

    upstream = misc.make_exp_dirs

    @functools.wraps(upstream)
    def make_exp_dirs(opt: dict[str, Any]) -> None:
        known = {key: folder for key, folder in opt["path"].items() if key in FOLDERS}
        upstream({**opt, "path": known})

    make_exp_dirs.known_folders_only = True  # type: ignore[attr-defined]
    replace_everywhere(upstream, make_exp_dirs)


REPAIR = Repair(
    defect="an unknown key under `path:` is made a folder, a null there ends in TypeError",
    upstream="basicsr/utils/misc.py:45",
    until="BasicSR makes the folders it knows only",
    is_needed=_is_needed,
    apply=_apply,
)
