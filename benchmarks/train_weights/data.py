"""The data of a stint, at the places that its option file names: photos to train on, photos to validate on."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

from PIL import Image as Pictures

from ssiu_arch.data.images import encode_png, list_images, read_image
from ssiu_arch.data.photos import prepare_photos
from ssiu_arch.data.sub_images import Recipe, make_lr
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import write_file

HR_SUB = "_HR_sub.lmdb"
SOURCES = ("file", "source", "licence")
UNNAMED = ("not named", "not known")

Sources = dict[str, tuple[str, str]]  # source and licence of images, by name


def read_sources(path: Path) -> Sources:
    """Where images come from, by their names or their paths in the folder: a CSV with the columns of ``SOURCES``.

    Raises:
        UserError: it cannot be read, or has not these columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in SOURCES if name not in (rows.fieldnames or ())]
            if missing:
                raise UserError(
                    f"--sources {path}: has no column {', '.join(missing)}; needed are {', '.join(SOURCES)}"
                )
            return {row["file"]: (row["source"] or UNNAMED[0], row["licence"] or UNNAMED[1]) for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--sources {path}: cannot be read ({error})") from None


def prepare_training(options: dict[str, Any], photos: Path, jobs: int, sources: Sources) -> dict[str, Any]:
    """Make the LMDB of ``datasets.train`` from a folder of photos, or see that it is made of them.

    Returns:
        What it holds: ``images`` and ``megapixels``; and ``sources``, each with its licence and how many images are of
        it, the most first.

    Raises:
        UserError: as ``prepare_photos``; or the option file names no set that it would make.
    """
    lmdb, scale = Path(options["datasets"]["train"]["dataroot_gt"]), options["scale"]
    name = lmdb.name.removesuffix(HR_SUB)
    if lmdb.name == name or lmdb.parent.name != name:
        raise UserError(f"datasets.train.dataroot_gt: {lmdb} is not of the form FOLDER/NAME/NAME{HR_SUB}")
    recipe = Recipe.from_options((scale,), Recipe.size, Recipe.step, None)
    prepare_photos(photos, lmdb.parent.parent, name, recipe, jobs=jobs)
    pixels: list[int] = []
    origins: Counter[tuple[str, str]] = Counter()
    for path in list_images(photos, recursive=True):
        with Pictures.open(path) as picture:
            width, height = picture.size
        if min(width, height) >= recipe.smallest:
            pixels.append(width * height)
            origins[sources.get(path.relative_to(photos).as_posix()) or sources.get(path.name, UNNAMED)] += 1
    counted = [[*origin, count] for origin, count in sorted(origins.items(), key=lambda each: (-each[1], each[0]))]
    return {"images": len(pixels), "megapixels": sum(pixels) / 1e6, "sources": counted}


def prepare_validation(options: dict[str, Any], photos: Path) -> None:
    """Bring HR images to the folder of ``datasets.val``, and their LR, by MATLAB's bicubic, to its other one.

    Raises:
        UserError: there are no images, or others are there already.
    """
    hr_folder, lr_folder = (Path(options["datasets"]["val"][f"dataroot_{role}"]) for role in ("gt", "lq"))
    found = list_images(photos)
    if not found:
        raise UserError(f"{photos}: holds no PNG, JPEG, WebP, TIFF or BMP images")
    names = {f"{path.stem}.png" for path in found}
    for folder in (hr_folder, lr_folder):
        others = [path for path in (list_images(folder) if folder.is_dir() else []) if path.name not in names]
        if others:
            raise UserError(f"{others[0]}: is of another set than {photos}; move it")
    for path in found:
        hr = read_image(path)
        for folder, image in ((hr_folder, hr), (lr_folder, make_lr(hr, options["scale"]))):
            target, data = folder / f"{path.stem}.png", encode_png(image)
            if not target.exists():
                write_file(target, data)
            elif target.read_bytes() != data:
                raise UserError(f"{target}: is another image than that of {photos}; move it")
