"""The package's own weights: ``SSIU_x2.pth``, ``SSIU_x3.pth`` and ``SSIU_x4.pth``, each with its model card."""

from pathlib import Path

from ssiu_arch.utils.errors import UserError

FOLDER = Path(__file__).parent
NAME = "shipped"  # names the package's own weights wherever a file of weights is named


def weights_file(folder: Path, upscale: int) -> Path:
    """The file of a scale in a folder of weights, whether it exists or not."""
    return folder / f"SSIU_x{upscale}.pth"


def shipped(upscale: int = 4) -> Path:
    """The package's own weights for a scale; ``UserError`` if it has none."""
    path = weights_file(FOLDER, upscale)
    if not path.is_file():
        raise UserError(f"no weights for x{upscale} come with ssiu_arch: name a file, as by --weights SSIU_x4.pth")
    return path


def weights_path(weights: str | Path, scale: int | None = None) -> Path:
    """The file that ``weights`` names; ``shipped`` is the package's own for ``scale`` (default 4), see ``shipped``."""
    return shipped(4 if scale is None else scale) if str(weights) == NAME else Path(weights)
