"""A small data set from the photographs in scikit-image's wheel, without a download."""

from pathlib import Path

from ssiu_arch.data.images import read_image, write_image
from ssiu_arch.data.prepare import SubImageSet, is_finished, prepare
from ssiu_arch.data.script import say
from ssiu_arch.data.sources import from_file
from ssiu_arch.data.sub_images import Recipe, make_lr
from ssiu_arch.utils.errors import UserError

TRAIN = ("astronaut.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg")
VALIDATION = "coffee.png"
RECIPE = Recipe(size=144, step=72, smallest=96)  # small: a training decodes a whole sub-image for each 96-pixel patch


def prepare_demo(root: Path, *, jobs: int = 1, force: bool = False) -> None:
    """Make ``root/demo``: training sub-images at x2, x3, x4 as LMDB, and a held-out photo for validation.

    Raises:
        UserError: scikit-image or one of its photographs is missing, or the set cannot be written.
    """
    folder = root / "demo"
    target, held_out = SubImageSet("train", folder, RECIPE), folder / "val" / "HR" / VALIDATION
    if not force and is_finished(target) and held_out.is_file():
        say(f"demo: finished before, nothing to do ({folder})")
        return
    photos = _photo_folder()
    prepare(target, [from_file(photos / name) for name in TRAIN], jobs=jobs, force=force)
    hr = read_image(photos / VALIDATION)
    for scale in RECIPE.scales:
        write_image(folder / "val" / "LR_bicubic" / f"X{scale}" / VALIDATION, make_lr(hr, scale))
    write_image(held_out, hr)  # last: it says that the set is finished


def _photo_folder() -> Path:
    """The folder of scikit-image's photographs."""
    try:
        import skimage.data
    except ImportError:
        raise UserError("the photographs come with scikit-image: pip install scikit-image") from None
    folder = Path(skimage.data.__path__[0])
    for name in (*TRAIN, VALIDATION):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: is missing; reinstall scikit-image (0.18 to 0.26 have it)")
    return folder
