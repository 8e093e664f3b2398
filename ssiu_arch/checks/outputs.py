"""Where a run writes: is it allowed to, and is there room for the checkpoints?"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from ssiu_arch.checks.finding import Finding

BYTES = 4  # of a float32


def check(opt: dict[str, Any], net: nn.Module, root: Path) -> Iterator[Finding]:
    """Check the folders below ``root`` that the run makes; nothing is written.

    Args:
        opt: the options.
        net: ``network_g``.
        root: the current folder of the run.
    """
    kinds = ["experiments"] if opt.get("train") else ["results"]
    if opt.get("train") and opt["logger"].get("use_tb_logger"):
        kinds.append("tb_logger")
    for kind in kinds:
        folder = root / kind / opt["name"]
        above = next(path for path in folder.parents if path.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            yield Finding("error", "outputs", f"{folder} cannot be made: {above} is not writable")
        else:
            yield Finding("ok", "outputs", f"{kind}/{opt['name']} can be written")
    if opt.get("train"):
        yield _room(opt, net, root)


def checkpoint_bytes(opt: dict[str, Any], net: nn.Module) -> int:
    """The size of one checkpoint with its state: weights, their average, and two moments of Adam."""
    parameters = sum(parameter.numel() for parameter in net.parameters())
    return parameters * BYTES * (2 if opt["train"].get("ema_decay") else 1) + 2 * parameters * BYTES


def _room(opt: dict[str, Any], net: nn.Module, root: Path) -> Finding:
    count = int(opt["train"]["total_iter"]) // int(opt["logger"]["save_checkpoint_freq"]) + 1
    needed, free = count * checkpoint_bytes(opt, net), shutil.disk_usage(root).free
    said = f"{count} checkpoints with their states take {size(needed)}, {size(free)} are free"
    if needed > free:
        return Finding("error", "disk", f"{said}: raise logger.save_checkpoint_freq, or make room")
    return Finding("ok", "disk", said)


def size(count: float) -> str:
    """Bytes in words: 1.5 GiB."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1000 and len(units) > 1:
        count /= 1024
        units.pop(0)
    return f"{count:.3g} {units[0]}"
