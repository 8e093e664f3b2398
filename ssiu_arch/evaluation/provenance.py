"""What a score was measured with: weights, image files, versions. Hashes are the first 12 digits of a SHA-256."""

import hashlib
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import PIL.Image

from ssiu_arch.utils.files import DIGITS, file_hash, sha256
from ssiu_arch.utils.version import __version__
from ssiu_arch.weights.shipped import weights_path

LMDB_FILES = ("data.mdb", "meta_info.txt")


def data_fingerprint(dataset: Any) -> str | None:
    """The hash of the names and bytes of the files that a BasicSR data set reads; their folders do not matter.

    It is the hash of sorted lines, one per file: ``gt/NAME SHA256`` or ``lq/NAME SHA256``. An LMDB counts as the files
    ``data.mdb`` and ``meta_info.txt``. None for a data set of another kind.
    """
    lines = sorted(f"{role}/{path.name} {sha256(path)}\n" for role, path in _files(dataset))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:DIGITS] if lines else None


def stored_grey(dataset: Any) -> list[str]:
    """The names of the GT files of a BasicSR data set that are stored with one channel, in alphabetical order."""
    names = []
    for role, path in _files(dataset):
        # Pillow reads the header here, and raises many types at metadata that OpenCV passes over.
        with suppress(Exception), PIL.Image.open(path) as image:
            if role == "gt" and image.mode in ("1", "L", "I;16"):
                names.append(path.stem)
    return sorted(names)


def weights(opt: dict[str, Any]) -> list[str]:
    """The weight files of a run, one line each; one line that says the weights are random if there is none."""
    from ssiu_arch.weights.reading import read_sets, set_name, used_key

    lines = []
    for key, file in opt["path"].items():
        if key.startswith("pretrain_network_") and file is not None:
            network = key.removeprefix("pretrain_network_")
            param_key = opt["path"].get(f"param_key_{network}", "params")
            used = set_name(used_key(file, read_sets(file), param_key))
            lines.append(f"{file}, {used}, sha256 {file_hash(file)}")
    for network in (value for name, value in opt.items() if name.startswith("network_")):
        if network["type"] == "Spandrel" and network.get("path") is not None:
            file = weights_path(network["path"], network.get("upscale"))
            lines.append(f"{file}, sha256 {file_hash(file)}")
    return lines or ["none named in path.pretrain_network_g: the network's weights are random"]


def network(opt: dict[str, Any]) -> str:
    """Type and arguments of ``network_g``."""
    arguments = ", ".join(f"{name} {value}" for name, value in opt["network_g"].items() if name != "type")
    return f"{opt['network_g']['type']} ({arguments})" if arguments else opt["network_g"]["type"]


def versions() -> str:
    """The versions of the packages that compute a score."""
    import basicsr
    import cv2
    import numpy
    import torch

    return (
        f"ssiu_arch {__version__}, basicsr {basicsr.__version__}, torch {torch.__version__}, "
        f"numpy {numpy.__version__}, opencv {cv2.__version__}, Python {platform.python_version()}"
    )


def _files(dataset: Any) -> list[tuple[str, Path]]:
    """The files of a data set, each with its role, ``gt`` or ``lq``."""
    roots = {role: Path(root) for role in ("gt", "lq") if (root := dataset.opt.get(f"dataroot_{role}"))}
    if any(root.suffix == ".lmdb" for root in roots.values()):
        return [(role, root / name) for role, root in roots.items() for name in LMDB_FILES]
    pairs = getattr(dataset, "paths", None) or []
    if not all(isinstance(pair, dict) for pair in pairs):
        return []
    found = [(role, Path(pair[key])) for pair in pairs for role in ("gt", "lq") if (key := f"{role}_path") in pair]
    return found if all(path.is_file() for _, path in found) else []
