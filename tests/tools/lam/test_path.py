"""Paths: where they begin and end, and the blur between."""

import cv2
import numpy as np
import pytest
import torch

from ssiu_arch.tools.lam.path import blur_path, blurred, straight_path

IMAGE = torch.rand(3, 11, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("sigma", "kernel"), [(1.2, 9), (0.4, 3), (3.0, 5)])
def test_the_blur_is_a_gaussian_over_the_mirrored_image(sigma, kernel):
    offsets = np.arange(kernel) - kernel // 2
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    filtered = cv2.filter2D(
        IMAGE.permute(1, 2, 0).numpy(), -1, weights / weights.sum(), borderType=cv2.BORDER_REFLECT_101
    )
    np.testing.assert_allclose(blurred(IMAGE, sigma, kernel).permute(1, 2, 0), filtered, rtol=0, atol=1e-14)


def test_a_path_of_blur_ends_at_the_image_and_lessens_the_blur_evenly():
    path = blur_path(IMAGE, sigma=2.0, kernel=9)
    torch.testing.assert_close(path(1.0), IMAGE, rtol=0, atol=0)
    torch.testing.assert_close(path(0.25), blurred(IMAGE, 1.5, 9), rtol=0, atol=0)
    spread = [path(alpha / 4).var() for alpha in range(5)]
    assert spread == sorted(spread)
    assert spread[0] < 0.2 * spread[-1]


def test_hardly_any_blur_is_none():
    torch.testing.assert_close(blurred(IMAGE, 1e-3, 9), IMAGE, rtol=0, atol=0)


def test_a_straight_path_is_straight():
    path = straight_path(torch.ones_like(IMAGE), IMAGE)
    torch.testing.assert_close(path(0.0), torch.ones_like(IMAGE))
    torch.testing.assert_close(path(0.25), 0.75 + 0.25 * IMAGE)
    torch.testing.assert_close(path(1.0), IMAGE)
