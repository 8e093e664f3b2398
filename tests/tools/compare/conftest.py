"""What the tests of the pictures share."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def photo():
    """A part of a photograph, (75, 93, 3), BGR: no multiple of 2, 3 or 4."""
    data = pytest.importorskip("skimage.data", reason="scikit-image, which brings the photograph, is not installed")
    return np.ascontiguousarray(data.astronaut()[60:135, 180:273, ::-1])


@pytest.fixture(scope="session")
def places():
    """``places(page, image)``: every (y, x) at which ``image`` stands in ``page``, pixel by pixel."""

    def places(page, image):
        h, w = image.shape[:2]
        rows, columns = page.shape[0] - h + 1, page.shape[1] - w + 1
        if min(rows, columns) < 1:
            return []
        fits = np.ones((rows, columns), bool)
        for y, x in ((0, 0), (0, w - 1), (h - 1, 0), (h - 1, w - 1), (h // 2, w // 2), (h // 3, w // 4)):
            fits &= (page[y : y + rows, x : x + columns] == image[y, x]).all(axis=2)
        return [(int(y), int(x)) for y, x in np.argwhere(fits) if np.array_equal(page[y : y + h, x : x + w], image)]

    return places
