"""A training set from a folder of one's own photos."""

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
    """Make ``root/NAME`` from all images in ``photos`` and below.

    Args:
        photos: Folder of HR images.
        root: Where the data sets are.
        name: The name of the set.
        recipe: How to cut; a single scale where ``lr`` is given.
        lr: Folder of LR images, called like the HR ones or with ``x4`` after the name. Without it they are
            made by MATLAB's bicubic.
        jobs: Images worked on at once.
        force: Replace what is there.
        skip_bad: Finish without the images that are bad.
        dry_run: Only say what would be written.

    Raises:
        UserError: If folder, names or pairs are wrong; see ``prepare`` for the rest.
    """
    if key_of(f"{name}.png") != name:
        raise UserError(f"--name {name!r}: must be made of ASCII letters, digits, _ and -")
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
        raise UserError(f"--lr {folder}: is for one scale; name it by --scales, such as --scales 4")
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
