"""The training sets: DF2K (the 800 images of DIV2K and the 2650 of Flickr2K), a folder of photos, and the demo set."""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ssiu_arch.data.download import Download, fetch
from ssiu_arch.data.images import read_image, write_image
from ssiu_arch.data.prepare import SubImageSet, is_finished, prepare
from ssiu_arch.data.script import say
from ssiu_arch.data.sources import Source, from_archive, from_file, from_folder, key_of, paths_below
from ssiu_arch.data.sub_images import Recipe, make_lr
from ssiu_arch.utils.errors import UserError

DEPTH = 4  # folder levels below the source folder that are searched
DEMO_TRAIN = ("astronaut.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg")
DEMO_VALIDATION = "coffee.png"
DEMO_RECIPE = Recipe(size=144, step=72, smallest=96)  # small: each 96-pixel patch decodes a whole sub-image


class Part(NamedTuple):
    """DIV2K or Flickr2K: how many images it has, and in which folders and archives they are looked for."""

    name: str
    digits: int
    number: int
    folders: tuple[str, ...]
    archives: tuple[str, ...]
    download: Download

    @property
    def keys(self) -> list[str]:
        """``0001`` to ``0800``, or ``000001`` to ``002650``."""
        return [f"{n:0{self.digits}d}" for n in range(1, self.number + 1)]


# Several independent loaders of these files check the same MD5.
DIV2K = Download("https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip", "bdc2d9338d4e574fe81bf7d158758658")
FLICKR2K = Download("https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar", "5d3f39443d5e9489bff8963f8f26cb03")
FLICKR2K_ARCHIVES = ("Flickr2K.tar", "Flickr2K.zip", "Flickr2K_HR.zip")
PARTS = (
    Part("DIV2K", 4, 800, ("DIV2K_train_HR", "DIV2K_HR", "DIV2K"), ("DIV2K_train_HR.zip", "DIV2K.tar"), DIV2K),
    Part("Flickr2K", 6, 2650, ("Flickr2K_HR", "Flickr2K"), FLICKR2K_ARCHIVES, FLICKR2K),
)


def prepare_df2k(
    source: Path,
    root: Path,
    recipe: Recipe,
    *,
    jobs: int = 1,
    force: bool = False,
    skip_bad: bool = False,
    download: bool = False,
    parts: tuple[Part, ...] = PARTS,
) -> None:
    """Make ``root/DF2K`` from the archives and folders of DIV2K and Flickr2K below ``source``.

    ``download`` fetches the archives of what is missing into ``source`` first. See ``prepare`` for the other options.

    Raises:
        UserError: images are missing; see ``prepare`` for the rest.
    """
    target = SubImageSet("DF2K", root / "DF2K", recipe)
    if not force and is_finished(target):
        say(f"DF2K: finished before, nothing to do ({target.record})")
        return
    sources: list[Source] = []
    for part in parts:
        found = find(part, source)
        if download and len(found) < part.number:
            found = _merge(part, [*from_archive(fetch(part.download, source)), *found.values()])
        _check_complete(part, found, source, skip_bad)
        sources += [found[key] for key in sorted(found)]
    prepare(target, sources, jobs=jobs, force=force, skip_bad=skip_bad)


def find(part: Part, source: Path) -> dict[str, Source]:
    """The images of ``part`` below ``source`` by key.

    An image in an archive is preferred to one in a folder, because unpacking may have been interrupted.
    """
    paths = paths_below(source, DEPTH) if source.is_dir() else []
    packed = [path for path in paths if path.name in part.archives and path.is_file()]
    folders = [path for path in paths if path.name in part.folders and path.is_dir()]
    images = [item for path in packed for item in from_archive(path)]
    return _merge(part, images + [item for path in folders for item in from_folder(path)])


def _merge(part: Part, sources: list[Source]) -> dict[str, Source]:
    """The first of ``sources`` for each key of ``part``, without LR images and other files."""
    wanted = set(part.keys)
    merged: dict[str, Source] = {}
    for item in sources:
        folders = PurePosixPath(item.member).parts[:-1]
        if item.key in wanted and not any("LR" in name for name in folders):
            merged.setdefault(item.key, item)
    return merged


def _check_complete(part: Part, found: dict[str, Source], source: Path, skip_bad: bool) -> None:
    if not found:
        raise UserError(
            f"{source}: has no {part.name}; put {part.archives[0]} ({part.download.url}) or the folder "
            f"{part.folders[0]} there, or fetch it with --download"
        )
    missing = [key for key in part.keys if key not in found]
    what = f"{len(missing)} of {part.number} images of {part.name} are missing"
    if missing and not skip_bad:
        raise UserError(
            f"{source}: {what}, first {missing[0]}.png; add them, use --download, or leave them out with --skip-bad"
        )
    if missing:
        say(f"note: {what}")


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


def prepare_demo(root: Path, *, jobs: int = 1, force: bool = False) -> None:
    """Make ``root/demo``: training sub-images at x2, x3, x4 as LMDB, and a held-out photo for validation.

    Raises:
        UserError: scikit-image or one of its photographs is missing, or the set cannot be written.
    """
    folder = root / "demo"
    target, held_out = SubImageSet("train", folder, DEMO_RECIPE), folder / "val" / "HR" / DEMO_VALIDATION
    if not force and is_finished(target) and held_out.is_file():
        say(f"demo: finished before, nothing to do ({folder})")
        return
    photos = _photo_folder()
    prepare(target, [from_file(photos / name) for name in DEMO_TRAIN], jobs=jobs, force=force)
    hr = read_image(photos / DEMO_VALIDATION)
    for scale in DEMO_RECIPE.scales:
        write_image(folder / "val" / "LR_bicubic" / f"X{scale}" / DEMO_VALIDATION, make_lr(hr, scale))
    write_image(held_out, hr)  # last: it says that the set is finished


def _photo_folder() -> Path:
    """The folder of scikit-image's photographs."""
    try:
        import skimage.data
    except ImportError:
        raise UserError("the photographs come with scikit-image: pip install scikit-image") from None
    folder = Path(skimage.data.__path__[0])
    for name in (*DEMO_TRAIN, DEMO_VALIDATION):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: is missing; reinstall scikit-image (0.18 to 0.26 have it)")
    return folder
