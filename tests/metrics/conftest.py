"""Benchmark images, where they lie beside the checkout."""

import cv2
import numpy as np
import pytest
from basicsr.utils import img2tensor


@pytest.fixture(scope="session")
def to_pair():
    """What a validation loader gives for a BGR uint8 image pair: ``lq`` and ``gt``, (1, 3, H, W), [0, 1]."""

    def to_pair(low, high):
        return {key: img2tensor(image.astype(np.float32) / 255)[None] for key, image in (("lq", low), ("gt", high))}

    return to_pair


@pytest.fixture(scope="session")
def set5(root, to_pair):
    """The pairs of Set5 at a scale: ``set5(4)``."""
    folder = root.parent / "shared/data/benchmark/Set5"
    if not folder.is_dir():
        pytest.skip("no shared/data/benchmark/Set5 beside the checkout")

    def set5(scale):
        for path in sorted((folder / "HR").iterdir()):
            low = cv2.imread(str(folder / f"LR_bicubic/X{scale}/{path.stem}x{scale}.png"))
            yield to_pair(low, cv2.imread(str(path))[: scale * low.shape[0], : scale * low.shape[1]])

    return set5
