"""Small images for the tests of the data half."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import ssiu_arch  # noqa: F401 (patches the import of BasicSR for the tests that read with it)

SHARED = Path(__file__).resolve().parents[3] / "shared"

Image = NDArray[np.uint8]


def smooth(height: int, width: int, seed: int = 0) -> Image:
    """Something like a photo: (height, width, 3), smooth, different for each ``seed``."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2).astype(float)
    return np.clip((blurred - 128) * 6 + 128, 0, 255).astype(np.uint8)


@pytest.fixture
def photo() -> Callable[..., Image]:
    return smooth


@pytest.fixture
def folder_of_photos(tmp_path: Path) -> Callable[..., Path]:
    """Makes ``tmp_path/NAME`` with ``count`` PNG photos of differing sizes."""

    def make(count: int = 3, name: str = "photos", height: int = 100, width: int = 130) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for i in range(count):
            cv2.imwrite(str(folder / f"img{i}.png"), smooth(height + 7 * i, width - 5 * i, i))
        return folder

    return make


@pytest.fixture
def shared_benchmark() -> Path:
    """The published benchmark files beside the checkout; tests that need them are skipped without."""
    folder = SHARED / "data" / "benchmark"
    if not folder.is_dir():
        pytest.skip(f"no published benchmark files at {folder}")
    return folder
