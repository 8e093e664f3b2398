"""A kill or a full disk while a checkpoint is written leaves a truncated file under the name of a good one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import new_file


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
        save_atomically(held, Path(self.opt["path"]["models"]) / f"{net_label}_{label}.pth", must=current_iter == -1)

    return [master_only(save_network)]
