"""The data of a stint, at the places that its option file names: photos to train on, photos to validate on."""

from pathlib import Path
from typing import Any

from PIL import Image as Pictures

from ssiu_arch.data.files import write_file
from ssiu_arch.data.images import encode_png, list_images, read_image
from ssiu_arch.data.photos import prepare_photos
from ssiu_arch.data.sub_images import Recipe, make_lr
from ssiu_arch.errors import UserError

HR_SUB = "_HR_sub.lmdb"


def prepare_training(options: dict[str, Any], photos: Path, jobs: int) -> dict[str, Any]:
    """Make the LMDB of ``datasets.train`` from a folder of photos, or see that it is made of them.

    Returns:
        What it holds: ``images`` and ``megapixels``.

    Raises:
        UserError: as ``prepare_photos``; or the option file names no set that it would make.
    """
    lmdb, scale = Path(options["datasets"]["train"]["dataroot_gt"]), options["scale"]
    name = lmdb.name.removesuffix(HR_SUB)
    if lmdb.name == name or lmdb.parent.name != name:
        raise UserError(f"datasets.train.dataroot_gt: {lmdb} is not of the form FOLDER/NAME/NAME{HR_SUB}")
    recipe = Recipe.from_options((scale,), Recipe.size, Recipe.step, None)
    prepare_photos(photos, lmdb.parent.parent, name, recipe, jobs=jobs)
    sizes = []
    for path in list_images(photos, recursive=True):
        with Pictures.open(path) as picture:
            sizes.append(picture.size)
    used = [width * height for width, height in sizes if min(width, height) >= recipe.smallest]
    return {"images": len(used), "megapixels": sum(used) / 1e6}


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
