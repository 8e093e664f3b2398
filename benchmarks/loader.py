"""Training samples per second and core that BasicSR's loader delivers from sub-images of several sizes."""

import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import torch

from ssiu_arch.data.images import PNG_PARAMETERS
from ssiu_arch.data.prepare import SubImageSet, prepare
from ssiu_arch.data.script import parser, run
from ssiu_arch.data.sources import Source, from_folder
from ssiu_arch.data.sub_images import Recipe
from ssiu_arch.utils.files import size_text

REPEATS = 3  # of which the best counts


def main() -> None:
    """Prepare a set for each size, then take random samples from each in turn."""
    arguments = parser(__doc__, "python benchmarks/loader.py ~/Pictures --sizes 480 288 --scale 4")
    arguments.add_argument("photos", type=Path, help="folder of photos")
    arguments.add_argument("--images", type=int, default=12, help="photos used")
    arguments.add_argument("--sizes", type=int, nargs="+", default=[480, 384, 288, 264], help="sides of HR sub-images")
    arguments.add_argument("--step", type=int, default=192, help="from one sub-image to the next")
    arguments.add_argument("--scale", type=int, default=4, help="scale; the HR patch is 64 times it")
    arguments.add_argument("--samples", type=int, default=400, help="samples of a measurement")
    given = arguments.parse_args()

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    found = from_folder(given.photos)
    sources = found[:: max(1, len(found) // given.images)][: given.images]
    place = Path(tempfile.mkdtemp(prefix="loader_"))
    try:
        stock = f"{given.sizes[0]} with OpenCV's PNG"
        sets = {stock: _prepare_with(PNG_PARAMETERS[:2], place / "stock", sources, given.sizes[0], given)}
        for size in given.sizes:
            sets[str(size)] = _prepare_with(list(PNG_PARAMETERS), place / "ours", sources, size, given)
        opened = {name: _open(target, given.scale) for name, target in sets.items()}
        rates: dict[str, float] = dict.fromkeys(opened, 0.0)
        for _ in range(REPEATS):
            for name, dataset in opened.items():
                rates[name] = max(rates[name], _rate(dataset, given.samples))
        print(f"\nx{given.scale}, HR patch {64 * given.scale}, step {given.step}, one process, one thread:")
        for name, target in sets.items():
            stored = sum((target.lmdb(output) / "data.mdb").stat().st_size for output in target.recipe.outputs)
            print(
                f"size {name:22} {rates[name]:6.1f} samples/s, {rates[name] / rates[stock]:.2f} x; "
                f"{len(opened[name])} sub-images, {size_text(stored)}"
            )
    finally:
        shutil.rmtree(place)


def _prepare_with(parameters: list[int], folder: Path, sources: list[Source], size: int, given: Any) -> SubImageSet:
    """A set whose PNG files are written with ``parameters``; BasicSR's own scripts write them with the first two."""
    target = SubImageSet(f"s{size}", folder, Recipe((given.scale,), size, given.step, 64 * given.scale))
    ours = list(PNG_PARAMETERS)
    PNG_PARAMETERS[:] = parameters
    try:
        prepare(target, sources, jobs=2)
    finally:
        PNG_PARAMETERS[:] = ours
    return target


def _open(target: SubImageSet, scale: int) -> Any:
    from basicsr.data.paired_image_dataset import PairedImageDataset

    return PairedImageDataset(
        {
            "dataroot_gt": str(target.lmdb("HR")),
            "dataroot_lq": str(target.lmdb(f"X{scale}")),
            "io_backend": {"type": "lmdb"},
            "phase": "train",
            "scale": scale,
            "gt_size": 64 * scale,
            "use_hflip": True,
            "use_rot": True,
        }
    )


def _rate(dataset: Any, samples: int) -> float:
    random.seed(0)
    indices = [random.randrange(len(dataset)) for _ in range(samples)]
    start = time.perf_counter()
    for index in indices:
        dataset[index]
    return samples / (time.perf_counter() - start)


if __name__ == "__main__":
    run(main)
