"""A training set from a folder of photos."""

from dataclasses import replace
from pathlib import Path

from ssiu_arch.data.prepare import SubImageSet, prepare
from ssiu_arch.data.sources import Source, check_keys, from_folder, key_of
from ssiu_arch.data.sub_images import Recipe
from ssiu_arch.utils.errors import UserError


def prepare_photos(
    photos: Path,
    root: Path,
    name: str,
    recipe: Recipe,
    *,
    lr: Path | None = None,
    jobs: int = 1,
    force: bool = False,
    skip_bad: bool = False,
    dry_run: bool = False,
) -> None:
    """Make ``root/NAME`` from all images in ``photos`` and the folders below it.

    Args:
        photos: folder of HR images.
        root: folder of the data sets.
        name: name of the set.
        recipe: how to cut; a single scale if ``lr`` is given.
        lr: folder of LR images, named like the HR ones or with ``x4`` (the scale) after the name; None: MATLAB's
            bicubic makes them.
        jobs, force, skip_bad, dry_run: see ``prepare``.

    Raises:
        UserError: folder, name or pairs are wrong; see ``prepare`` for the rest.
    """
    if key_of(f"{name}.png") != name:
        raise UserError(f"--name {name!r}: may only have ASCII letters, digits, _ and -")
    sources = from_folder(photos, recursive=True)
    if not sources:
        raise UserError(f"{photos}: holds no PNG, JPEG, WebP, TIFF or BMP images")
    if lr is not None:
        sources = _with_lr(sources, lr, recipe)
    target = SubImageSet(name, root / name, recipe)
    prepare(target, sources, jobs=jobs, force=force, skip_bad=skip_bad, dry_run=dry_run)


def _with_lr(sources: list[Source], folder: Path, recipe: Recipe) -> list[Source]:
    """``sources``, each with its LR image from ``folder``."""
    if len(recipe.scales) > 1:
        raise UserError(f"--lr {folder}: needs a single scale, such as --scales 4")
    given = from_folder(folder, recursive=True)
    check_keys(given)
    by_key = {source.key: source for source in given}
    paired = []
    for source in sources:
        names = (source.key, f"{source.key}x{recipe.scales[0]}")
        match = next((by_key[key] for key in names if key in by_key), None)
        if match is None:
            raise UserError(f"{source.name}: has no LR image in {folder} (looked for {names[0]} and {names[1]})")
        paired.append(replace(source, lr=match))
    return paired
