"""The scores of one set and what is said about its greyscale images."""

import numpy as np
import pytest
from basicsr.metrics import calculate_psnr

from ssiu_arch.evaluation.summary import GREY, SetScores, grey_effect


def test_effect_of_greyscale_images():
    record = SetScores("Set14", images=["baboon", "bridge", "man", "zebra"], grey=["bridge"])
    note = grey_effect(record)
    assert "Set14: 1 of 4 images (bridge)" in note
    assert "0.3305 dB lower" in note
    assert grey_effect(SetScores("Set5", images=["baby"])) is None


def test_psnr_of_the_grey_value_is_lower_by_what_the_effect_says():
    """Of a coloured result, too, whose grey value is its luma over all 255 levels."""
    rng = np.random.default_rng(0)
    gt = np.dstack([rng.integers(0, 256, (40, 50), np.uint8)] * 3)
    result = rng.integers(0, 256, gt.shape, np.uint8)
    luma = [image @ (np.array([24.966, 128.553, 65.481]) / 219) for image in (result, gt)]
    lower = calculate_psnr(result, gt, 4, test_y_channel=True) - calculate_psnr(*luma, 4)
    assert lower == pytest.approx(GREY, abs=1e-4)
    assert pytest.approx(1.3219, abs=1e-4) == GREY
