import numpy as np
import pytest
import torch
from basicsr.metrics.psnr_ssim import calculate_ssim, calculate_ssim_pt

from ssiu_arch.utils.errors import UserError

RULE = r"11x11 .*10x19.*crop_border"


def test_too_small_is_an_error_rather_than_nan():
    image = np.zeros((18, 27, 3), np.uint8)
    with pytest.raises(UserError, match=RULE):
        calculate_ssim(image, image, crop_border=4)
    with pytest.raises(UserError, match=RULE):
        calculate_ssim_pt(torch.zeros(1, 3, 18, 27), torch.zeros(1, 3, 18, 27), crop_border=4)


def test_the_smallest_possible_is_scored():
    image = np.zeros((11, 11, 3), np.uint8)
    assert calculate_ssim(image, image, crop_border=0) == pytest.approx(1)
    assert calculate_ssim_pt(torch.zeros(1, 3, 11, 11), torch.zeros(1, 3, 11, 11), crop_border=0).item() == 1
