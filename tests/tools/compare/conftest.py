"""What the tests of the pictures share."""

import cv2
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
        if h > page.shape[0] or w > page.shape[1]:
            return []
        distance = cv2.matchTemplate(page, np.ascontiguousarray(image), cv2.TM_SQDIFF)
        near = np.argwhere(distance < 1e-4 * distance.max())  # rounded: each is compared exactly
        return [(int(y), int(x)) for y, x in near if np.array_equal(page[y : y + h, x : x + w], image)]

    return places
