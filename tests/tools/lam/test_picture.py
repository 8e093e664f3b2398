"""What is drawn."""

import numpy as np
import pytest

from ssiu_arch.tools.lam.lam import Attribution
from ssiu_arch.tools.lam.objective import Patch
from ssiu_arch.tools.lam.picture import FRAME, HOT, draw, heat, lit
from ssiu_arch.tools.lam.target import Target

LR = np.random.default_rng(0).integers(0, 256, (16, 12, 3), np.uint8)
HR = np.random.default_rng(1).integers(0, 256, (32, 24, 3), np.uint8)


def test_heat_is_red_by_the_root_of_the_share():
    values = np.zeros((16, 12))
    values[3, 4], values[5, 6] = 8, 2
    picture = heat(LR, values).astype(int)
    np.testing.assert_array_equal(picture[3, 4], HOT)
    cold = 255 * 0.75 + 0.25 * LR.mean(axis=2)
    assert np.abs(picture[5, 6] - (cold[5, 6] + HOT) / 2).max() <= 0.5
    assert np.abs(picture[0, 0] - cold[0, 0]).max() <= 0.5


def test_the_area_has_the_image_s_colours_and_the_rest_none():
    mask = np.zeros((16, 12), bool)
    mask[2:4, 5] = True
    picture = lit(LR, mask)
    np.testing.assert_array_equal(picture[mask], LR[mask])
    assert (np.ptp(picture[~mask], axis=1) == 0).all()
    assert picture[~mask].min() >= 0.75 * 255 - 1


@pytest.mark.parametrize("hr", [None, HR], ids=["LR", "HR"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_column_for_the_image_and_one_for_each_network(count, hr):
    target = Target(LR, hr, 2, (0, 0, 12, 16), Patch(4, 6, 5), Patch(4, 6, 5))
    attribution = np.zeros((3, 16, 12))
    attribution[0, 4, 3] = 1
    page = draw(target, [Attribution(f"net {number}", attribution, 0, 1) for number in range(count)])
    # 16 LR pixels to at least 256 in whole enlargements of the result: x8; margins and gaps of 10
    width = 8 * 24
    left, right = page[10 : 10 + 256, 10 : 10 + width], page[10 : 10 + 256, 20 + width : 20 + 2 * width]
    np.testing.assert_array_equal(left[4, 4], (LR if hr is None else hr)[0, 0])
    for panel in (left, right):
        rows, columns = np.nonzero((panel == FRAME).all(axis=2))
        inside = (columns.min() + 2, rows.min() + 2, columns.max() - 2, rows.max() - 2)  # of a frame of two pixels
        assert inside == (32, 48, 32 + 40 - 1, 48 + 40 - 1)
    assert page.shape[1] == 2 * 10 + (count + 1) * width + count * 10
