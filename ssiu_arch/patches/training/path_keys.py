"""Every key below ``path:`` that BasicSR does not know becomes a folder of that name; an empty one, a TypeError."""

from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours, replace_everywhere

FOLDERS = {"experiments_root", "results_root", "models", "training_states", "log", "visualization"}


def _is_needed() -> bool:
    from basicsr.utils import misc

    return not is_ours(misc.make_exp_dirs)


def _apply() -> None:
    from basicsr.utils import misc

    upstream = misc.make_exp_dirs

    def make_exp_dirs(opt: dict[str, Any]) -> None:
        """Make the folders of a run; what else stands below ``path:`` is not one."""
        known = {key: folder for key, folder in opt["path"].items() if key in FOLDERS}
        upstream({**opt, "path": known})

    replace_everywhere(upstream, make_exp_dirs)


REPAIR = Repair(
    defect="an unknown key under `path:` is made a folder, a null there ends in TypeError",
    upstream="basicsr/utils/misc.py:45",
    until="BasicSR makes the folders it knows only",
    is_needed=_is_needed,
    apply=_apply,
)
