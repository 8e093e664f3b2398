"""A small data set from the photographs in scikit-image's wheel, without a download."""

from pathlib import Path

from ssiu_arch.data.bicubic import bicubic_scores
from ssiu_arch.data.images import read_image, write_image
from ssiu_arch.data.prepare import SubImageSet, is_finished, prepare, say
from ssiu_arch.data.sources import from_file
from ssiu_arch.data.sub_images import Recipe, make_lr
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import read_json, write_json

TRAIN = ("astronaut.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg")
VALIDATION = "coffee.png"
RECIPE = Recipe(size=144, step=72, smallest=96)  # small: a training decodes a whole sub-image for each 96-pixel patch


def prepare_demo(root: Path, *, jobs: int = 1, force: bool = False) -> None:
    """Make ``root/demo``: training sub-images at x2, x3, x4 as LMDB, and a held-out photo for validation.

    Prints the PSNR of bicubic interpolation on that photo at x4.

    Raises:
        UserError: scikit-image or one of its photographs is missing, or the set cannot be written.
    """
    folder = root / "demo"
    target = SubImageSet("train", folder, RECIPE)
    known = read_json(folder / "val" / "bicubic.json")
    if force or known is None or not is_finished(target):
        photos = _photo_folder()
        prepare(target, [from_file(photos / name) for name in TRAIN], jobs=jobs, force=force)
        known = _write_validation(folder / "val", photos / VALIDATION)
    else:
        say(f"demo: finished before, nothing to do ({folder})")
    say(f"bicubic x4 on {VALIDATION}: PSNR {known:.4f} dB (Y channel, border 4)")


def _write_validation(folder: Path, photo: Path) -> float:
    """Write HR and LR of the held-out photo; returns the PSNR of bicubic x4, and writes it to ``bicubic.json``."""
    hr = read_image(photo)
    write_image(folder / "HR" / photo.name, hr)
    for scale in RECIPE.scales:
        write_image(folder / "LR_bicubic" / f"X{scale}" / photo.name, make_lr(hr, scale))
    psnr, _ = bicubic_scores([(hr, make_lr(hr, 4))], 4)
    write_json(folder / "bicubic.json", psnr)
    return psnr


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
