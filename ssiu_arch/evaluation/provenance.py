"""What a score was measured with: weights, images, versions. A hash is the first 12 digits of a SHA-256."""

import hashlib
import platform
from pathlib import Path
from typing import Any

from ssiu_arch.utils.files import DIGITS, file_hash, sha256
from ssiu_arch.utils.version import __version__

LMDB_FILES = ("data.mdb", "meta_info.txt")


def data_fingerprint(dataset: Any) -> str | None:
    """The hash of the files that a data set of BasicSR reads: their names and bytes, not where they lie.

    It is that of one line for each file, ``gt/NAME SHA256``, the lines sorted; an LMDB counts as the files
    ``data.mdb`` and ``meta_info.txt``. Sets whose files are not known to this function have none.
    """
    files = _files(dataset)
    if not files:
        return None
    lines = sorted(f"{role}/{path.name} {sha256(path)}\n" for role, path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:DIGITS]


def weights(opt: dict[str, Any]) -> list[str]:
    """The weight files of a run, one line each; or that there are none, and the weights random."""
    lines = []
    for key, file in opt["path"].items():
        if key.startswith("pretrain_network_") and file is not None:
            network = key.removeprefix("pretrain_network_")
            param_key = opt["path"].get(f"param_key_{network}", "params")
            lines.append(f"{file}, {param_key}, sha256 {file_hash(file)}")
    return lines or ["none named in path.pretrain_network_g: the network's weights are random"]


def network(opt: dict[str, Any]) -> str:
    """Type and arguments of ``network_g``."""
    arguments = ", ".join(f"{name} {value}" for name, value in opt["network_g"].items() if name != "type")
    return f"{opt['network_g']['type']} ({arguments})" if arguments else opt["network_g"]["type"]


def versions() -> str:
    """The versions of what computes a score."""
    import basicsr
    import cv2
    import numpy
    import torch

    return (
        f"ssiu_arch {__version__}, basicsr {basicsr.__version__}, torch {torch.__version__}, "
        f"numpy {numpy.__version__}, opencv {cv2.__version__}, Python {platform.python_version()}"
    )


def _files(dataset: Any) -> list[tuple[str, Path]]:
    """The files of a data set, each with what it is: ``gt`` or ``lq``."""
    opt = dataset.opt
    roots = {role: opt.get(f"dataroot_{role}") for role in ("gt", "lq")}
    if any(str(root).endswith(".lmdb") for root in roots.values() if root):
        return [(role, Path(root) / name) for role, root in roots.items() if root for name in LMDB_FILES]
    pairs = getattr(dataset, "paths", None) or []
    if not all(isinstance(pair, dict) for pair in pairs):
        return []
    found = [(role, Path(pair[f"{role}_path"])) for pair in pairs for role in roots if f"{role}_path" in pair]
    return found if all(path.is_file() for _, path in found) else []
