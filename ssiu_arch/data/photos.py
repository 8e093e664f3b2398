"""A training set from a folder of photos."""

from pathlib import Path

from ssiu_arch.data.prepare import SubImageSet, prepare
from ssiu_arch.data.sources import from_folder, key_of
from ssiu_arch.data.sub_images import Recipe
from ssiu_arch.utils.errors import UserError


def prepare_photos(
    photos: Path, root: Path, name: str, recipe: Recipe, *, jobs: int = 1, force: bool = False, skip_bad: bool = False
) -> None:
    """Make ``root/NAME`` from all images in ``photos`` and the folders below it; see ``prepare``.

    Raises:
        UserError: folder or name is wrong; see ``prepare`` for the rest.
    """
    if key_of(f"{name}.png") != name:
        raise UserError(f"--name {name!r}: may only have ASCII letters, digits, _ and -")
    sources = from_folder(photos, recursive=True)
    if not sources:
        raise UserError(f"{photos}: holds no PNG, JPEG, WebP, TIFF or BMP images")
    prepare(SubImageSet(name, root / name, recipe), sources, jobs=jobs, force=force, skip_bad=skip_bad)
