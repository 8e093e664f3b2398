"""Images and networks of the tests of upscaling; files are written by Pillow, OpenCV and tifffile."""

import numpy as np
import pytest
import torch

from ssiu_arch import SSIU


@pytest.fixture
def net(sine_weights):
    return sine_weights(SSIU(upscale=2, num_feat=16, num_block=3))


@pytest.fixture
def weights(net, tmp_path):
    torch.save({"params": net.state_dict()}, tmp_path / "x2.pth")
    return tmp_path / "x2.pth"


@pytest.fixture
def noise():
    """Random samples, ``(h, w, channels)``."""

    def noise(height, width, channels=3, dtype=np.uint8):
        return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype)

    return noise


@pytest.fixture
def exif():
    """EXIF as cameras write it: tags of the image, of the exposure, of the place."""
    return {
        271: "Maker",
        274: 6,
        306: "2026:01:02 03:04:05",
        34665: {33434: 0.0125, 36867: "2026:01:02 03:04:05", 37500: b"note\0\1", 40962: 7, 40963: 5},
        34853: {1: "N", 2: (51.0, 28.0, 38.5), 29: "2026:01:02"},
    }
