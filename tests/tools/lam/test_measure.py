"""Gini coefficient, diffusion index and area: known values."""

import numpy as np
import pytest

from ssiu_arch.tools.lam.measure import area, contribution, diffusion_index, gini


def test_gini_of_equal_values_is_zero_and_of_one_among_zeros_all_but_one_nth():
    assert gini(np.full((4, 5), 0.3)) == pytest.approx(0, abs=1e-15)
    one = np.zeros((4, 5))
    one[2, 1] = 7
    assert gini(one) == pytest.approx(1 - 1 / 20, abs=1e-15)
    assert diffusion_index(one) == pytest.approx(5, abs=1e-12)


def test_gini_is_its_definition_and_has_no_unit():
    values = np.random.default_rng(0).random((6, 7)) ** 3
    n = values.size
    differences = np.abs(values.reshape(-1, 1) - values.reshape(1, -1)).sum()
    assert gini(values) == pytest.approx(differences / (2 * n**2 * values.mean()), abs=1e-14)
    assert gini(1e-9 * values) == pytest.approx(gini(values), abs=1e-14)


def test_the_diffusion_index_of_k_equal_pixels_is_their_share_of_all():
    values = np.zeros(50)
    values[7:17] = 2.0
    assert diffusion_index(values) == pytest.approx(100 * 10 / 50)


@pytest.mark.parametrize("values", [np.zeros(5), np.array([1.0, -0.1]), np.array([])], ids=["zero", "negative", "none"])
def test_gini_of_what_has_none(values):
    with pytest.raises(ValueError, match="not negative and not all 0"):
        gini(values)


def test_a_pixel_contributes_by_the_sum_of_its_channels():
    attribution = np.zeros((3, 2, 2))
    attribution[:, 0, 0], attribution[:, 1, 1] = [1, -3, 0], [2, -2, 0]
    np.testing.assert_array_equal(contribution(attribution), [[2, 0], [0, 0]])


def test_the_area_is_what_exceeds_a_hundredth_of_the_largest():
    values = np.zeros((5, 8))
    values[1, 2], values[3, 6], values[0, 0], values[1, 3] = 200, 2.1, 2.0, 50
    found = area(values)
    assert (found.pixels, found.share, found.width, found.height) == (3, 3 / 40, 5, 3)
    assert list(zip(*np.nonzero(found.mask), strict=True)) == [(1, 2), (1, 3), (3, 6)]
