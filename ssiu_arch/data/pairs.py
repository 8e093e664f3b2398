"""Pairs of HR and LR images in two folders."""

from collections.abc import Iterator
from pathlib import Path

from ssiu_arch.data.images import Image, list_images, read_image
from ssiu_arch.utils.errors import UserError

Pair = tuple[Image, Image]  # HR (H, W, 3) and LR (h, w, 3), BGR


def lr_path(hr: Path, lr_folder: Path, scale: int, template: str | None = None) -> Path | None:
    """The LR file of the HR file ``hr``; None: there is none.

    Args:
        hr: HR file.
        lr_folder: folder of the LR files.
        scale: HR side over LR side.
        template: BasicSR's ``filename_tmpl``, such as ``{}x4``; None: ``NAMEx4`` (the scale) or ``NAME``, also as PNG.
    """
    templates = (f"{{}}x{scale}", "{}") if template is None else (template,)
    suffixes = (hr.suffix, ".png") if template is None else (hr.suffix,)
    paths = (lr_folder / f"{name.format(hr.stem)}{suffix}" for name in templates for suffix in suffixes)
    return next((path for path in paths if path.is_file()), None)


def read_pairs(hr_folder: Path, lr_folder: Path, scale: int, template: str | None = None) -> Iterator[Pair]:
    """The pairs of two folders, in the order of the HR names; see ``lr_path``.

    Raises:
        UserError: an LR image is missing, or a file is not a readable image.
    """
    for path in list_images(hr_folder):
        lr = lr_path(path, lr_folder, scale, template)
        if lr is None:
            names = template or f"{{}}x{scale} or {{}}"
            raise UserError(f"{path}: has no LR image in {lr_folder} (looked for {names}, {{}} = {path.stem})")
        yield read_image(path), read_image(lr)
