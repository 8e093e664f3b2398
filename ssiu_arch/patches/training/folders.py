"""The folders of a run and the checkpoints in them: one run at a time, and no half-written file."""

import atexit
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ssiu_arch.patches.patch import Function, replaces
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import locked, new_file, writing

FOLDERS = {"experiments_root", "results_root", "models", "training_states", "log", "visualization"}

_held = ExitStack()  # the lock of this process, which makes one run at a time
atexit.register(_held.close)


@replaces(
    "basicsr.utils.misc:make_exp_dirs",
    upstream="basicsr/utils/misc.py:45",
    is_needed=lambda make_exp_dirs: "path_opt.items()" in make_exp_dirs,
)
def path_keys(upstream: Function) -> list[Function]:
    """An unknown key below `path:` becomes a folder, a null there ends in TypeError."""

    def make_exp_dirs(opt: dict[str, Any]) -> None:
        """Make the folders of a run, and no others."""
        known = {key: folder for key, folder in opt["path"].items() if key in FOLDERS}
        with writing(Path(known["experiments_root" if opt["is_train"] else "results_root"])):
            upstream({**opt, "path": known})

    return [make_exp_dirs]


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
    is_needed=lambda load, make: "lock" not in load,
)
def one_owner(load: Function, make: Function) -> list[Function]:
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


def save_atomically(held: Any, path: Path, must: bool) -> None:
    """``torch.save``; afterwards ``path`` is the whole new file, or as it was before.

    A failure is logged and training continues, unless this save ``must`` succeed.

    Raises:
        UserError: the save must succeed, and failed.
    """
    import torch
    from basicsr.utils import get_root_logger

    try:
        with new_file(path) as file:
            try:
                torch.save(held, file)
            except RuntimeError as error:  # torch's last words about a disk that is full
                raise error.__context__ if isinstance(error.__context__, OSError) else error from None
    except UserError as error:
        if must:
            raise
        get_root_logger().error(f"{error}. Training continues and saves again at the next checkpoint")


@replaces(
    "basicsr.models.base_model:BaseModel.save_network",
    upstream="basicsr/models/base_model.py:206",
    is_needed=lambda save: "os.replace" not in save and "os.rename" not in save,
)
def atomic_saves(upstream: Function) -> list[Function]:
    """A kill or a full disk while saving leaves a truncated checkpoint under the name of the last good one."""

    from basicsr.utils.dist_util import master_only
    from torch import nn

    def save_network(
        self: Any, net: nn.Module | list, net_label: str, current_iter: int, param_key: str | Sequence[str] = "params"
    ) -> None:
        """Save networks under their keys in ``models/<net_label>_<current_iter>.pth``; -1 is ``latest``."""
        nets = net if isinstance(net, list) else [net]
        keys = param_key if isinstance(param_key, list) else [param_key]
        held = {}
        for key, part in zip(keys, nets, strict=True):
            weights = self.get_bare_model(part).state_dict()
            held[key] = {name.removeprefix("module."): value.cpu() for name, value in weights.items()}
        label = "latest" if current_iter == -1 else current_iter
        save_atomically(held, Path(self.opt["path"]["models"]) / f"{net_label}_{label}.pth", must=current_iter == -1)

    return [master_only(save_network)]
