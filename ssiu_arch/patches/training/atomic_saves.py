"""A kill or a full disk while a checkpoint is written leaves a truncated file under the name of a good one."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.utils.errors import UserError


def save_atomically(held: Any, path: str | Path) -> None:
    """``torch.save`` to a temporary file beside ``path``, then rename: ``path`` is the whole new file, or unchanged.

    Raises:
        OSError: the disk is full, or the folder is not writable.
    """
    import torch

    part = Path(f"{path}.part")
    try:
        with open(part, "wb") as file:
            torch.save(held, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except RuntimeError as error:  # what torch raises for a failed write
        raise OSError(str(error).splitlines()[0]) from error
    finally:
        part.unlink(missing_ok=True)


def save_or_log(held: Any, path: str | Path, must: bool) -> None:
    """Save atomically. A failure is logged and training continues, unless this save ``must`` succeed.

    Raises:
        UserError: the save must succeed, and failed.
    """
    from basicsr.utils import get_root_logger

    try:
        save_atomically(held, path)
    except OSError as error:
        said = f"cannot save {path}: {error.strerror or error}; earlier checkpoints are intact"
        if must:
            raise UserError(said) from error
        get_root_logger().error(f"{said}. Training continues and saves again at the next checkpoint")


@replaces(
    "basicsr.models.base_model:BaseModel.save_network",
    upstream="basicsr/models/base_model.py:206",
    is_needed=lambda save: not any(word in source(save) for word in ("os.replace", "os.rename")),
)
def patch(upstream: Function) -> list[Function]:
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
        save_or_log(held, Path(self.opt["path"]["models"]) / f"{net_label}_{label}.pth", must=current_iter == -1)

    return [master_only(save_network)]
