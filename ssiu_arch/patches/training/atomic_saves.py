"""A run that is killed while it saves, or a full disk, leaves a truncated file in the place of a good one."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours
from ssiu_arch.utils.errors import UserError


def save_whole(held: Any, path: str | Path) -> None:
    """``torch.save``, all or nothing: ``path`` is the new file, whole and on the disk, or what it was before.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    import torch

    part = Path(f"{path}.part")
    try:
        with open(part, "wb") as file:
            torch.save(held, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except RuntimeError as error:  # torch's words for a failed write
        raise OSError(str(error).splitlines()[0]) from error
    finally:
        part.unlink(missing_ok=True)


def save_or_say(held: Any, path: str | Path, must: bool) -> None:
    """Save; where that fails, log it and let the training go on to the next save, unless this one ``must`` succeed.

    Raises:
        UserError: the save must succeed, and failed.
    """
    from basicsr.utils import get_root_logger

    try:
        save_whole(held, path)
    except OSError as error:
        said = f"cannot save {path}: {error.strerror or error}; the files saved before are whole"
        if must:
            raise UserError(said) from error
        get_root_logger().error(f"{said}. Training goes on and saves again at the next turn")


def _is_needed() -> bool:
    from basicsr.models.base_model import BaseModel

    return not is_ours(BaseModel.save_network)


def _apply() -> None:
    from basicsr.models.base_model import BaseModel
    from basicsr.utils.dist_util import master_only
    from torch import nn

    def save_network(
        self: Any, net: nn.Module | list, net_label: str, current_iter: int, param_key: str | Sequence[str] = "params"
    ) -> None:
        """Save one or more networks under their keys in ``models/<net_label>_<current_iter>.pth``; -1 is ``latest``."""
        nets = net if isinstance(net, list) else [net]
        keys = param_key if isinstance(param_key, list) else [param_key]
        held = {}
        for key, part in zip(keys, nets, strict=True):
            weights = self.get_bare_model(part).state_dict()
            held[key] = {name.removeprefix("module."): value.cpu() for name, value in weights.items()}
        label = "latest" if current_iter == -1 else current_iter
        save_or_say(held, Path(self.opt["path"]["models"]) / f"{net_label}_{label}.pth", must=current_iter == -1)

    BaseModel.save_network = master_only(save_network)


REPAIR = Repair(
    defect="a kill or a full disk while saving leaves a truncated checkpoint, under the name of the last good one",
    upstream="basicsr/models/base_model.py:206",
    until="BasicSR writes beside and renames",
    is_needed=_is_needed,
    apply=_apply,
)
