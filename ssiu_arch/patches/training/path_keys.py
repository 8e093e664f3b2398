"""BasicSR makes a folder of every unknown key below ``path:``; a null there ends in TypeError."""

from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source

FOLDERS = {"experiments_root", "results_root", "models", "training_states", "log", "visualization"}


@replaces(
    "basicsr.utils.misc:make_exp_dirs",
    upstream="basicsr/utils/misc.py:45",
    is_needed=lambda make_exp_dirs: "path_opt.items()" in source(make_exp_dirs),
)
def patch(upstream: Function) -> list[Function]:
    """An unknown key below `path:` becomes a folder, a null there ends in TypeError."""

    def make_exp_dirs(opt: dict[str, Any]) -> None:
        """Make the folders of a run, and no others."""
        known = {key: folder for key, folder in opt["path"].items() if key in FOLDERS}
        upstream({**opt, "path": known})

    return [make_exp_dirs]
