"""The weights that come with the package, as far as there are any: ``SSIU_x2.pth``, ``_x3``, ``_x4``."""

from pathlib import Path

from ssiu_arch.utils.errors import UserError

FOLDER = Path(__file__).parent


def weights_file(folder: Path, upscale: int) -> Path:
    """The file of the weights for a scale in a folder of such files, whether it is there or not."""
    return folder / f"SSIU_x{upscale}.pth"


def shipped(upscale: int, folder: Path = FOLDER) -> Path:
    """The file of the weights for a scale.

    Raises:
        UserError: none come with this version.
    """
    path = weights_file(folder, upscale)
    if not path.is_file():
        raise UserError(f"no weights for x{upscale} come with this version of ssiu_arch: name a file of weights")
    return path
