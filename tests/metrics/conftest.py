"""Benchmark images, where they lie beside the checkout."""

import numpy as np
import pytest
from basicsr.utils import img2tensor

from ssiu_arch.data.images import lr_path, read_image


@pytest.fixture(scope="session")
def set5(root):
    """The pairs of Set5 at a scale, as a validation loader gives them: ``lq`` and ``gt``, (1, 3, H, W), [0, 1]."""
    folder = root.parent / "shared/data/benchmark/Set5"
    if not folder.is_dir():
        pytest.skip("no shared/data/benchmark/Set5 beside the checkout")

    def set5(scale):
        for path in sorted((folder / "HR").iterdir()):
            high, low = read_image(path), read_image(lr_path(path, folder / f"LR_bicubic/X{scale}", scale))
            pair = {"lq": low, "gt": high[: scale * low.shape[0], : scale * low.shape[1]]}
            yield {key: img2tensor(image.astype(np.float32) / 255)[None] for key, image in pair.items()}

    return set5
