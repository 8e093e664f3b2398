"""Bicubic interpolation: the images it makes, and the figures everybody knows."""

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_psnr

from ssiu_arch.evaluation.baseline import bicubic_images, bicubic_metrics, is_enlargeable

PSNR = {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": True}
SSIM = {**PSNR, "type": "calculate_ssim"}


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 10, 3), np.uint8), rng.integers(0, 256, (36, 30, 3), np.uint8)


def test_is_rounded_once_and_clipped(images, to_pair):
    rounded, as_float = bicubic_images(to_pair(*images)), bicubic_images(to_pair(*images), as_float=True)
    np.testing.assert_array_equal(rounded["img2"], images[1])
    assert rounded["img"].dtype == np.uint8
    assert as_float["img"].min() < -1
    assert as_float["img"].max() > 256
    np.testing.assert_array_equal(rounded["img"], np.floor(as_float["img"].clip(0, 255) + 0.5))


def test_of_a_constant_is_the_constant(to_pair):
    made = bicubic_images(to_pair(np.full((8, 9, 3), 77), np.zeros((16, 18, 3))))
    np.testing.assert_array_equal(made["img"], np.full((16, 18, 3), 77))


def test_means_over_a_set(images, to_pair):
    low, high = images
    scores = bicubic_metrics([to_pair(low, high), to_pair(low[::-1], high)], {"psnr": PSNR, "again": PSNR})
    both = [bicubic_images(to_pair(lq, high))["img"] for lq in (low, low[::-1])]
    expected = np.mean([calculate_psnr(image, high, 2, test_y_channel=True) for image in both])
    assert scores == {"psnr": pytest.approx(expected, abs=1e-12), "again": pytest.approx(expected, abs=1e-12)}


@pytest.mark.parametrize(
    ("lq", "gt", "expected"),
    [
        ((1, 3, 8, 9), (1, 3, 16, 18), True),
        ((1, 3, 8, 9), (1, 3, 32, 36), True),
        ((1, 3, 8, 9), (1, 3, 8, 9), False),
        ((1, 3, 8, 9), (1, 3, 16, 27), False),
        ((1, 3, 8, 9), (1, 3, 17, 18), False),
        ((2, 3, 8, 9), (2, 3, 16, 18), False),
        ((1, 5, 3, 8, 9), (1, 5, 3, 16, 18), False),
    ],
)
def test_what_can_be_enlarged(lq, gt, expected):
    assert is_enlargeable({"lq": torch.zeros(lq), "gt": torch.zeros(gt)}) is expected


def test_nothing_to_compare_with_cannot_be_enlarged():
    assert not is_enlargeable({"lq": torch.zeros(1, 3, 8, 9), "lq_path": ["a.png"]})


@pytest.mark.parametrize(("scale", "psnr", "ssim"), [(2, 33.678, 0.9304), (3, 30.404, 0.8690), (4, 28.431, 0.8113)])
def test_known_figures_of_set5(scale, psnr, ssim, set5):
    metrics = {name: {**metric, "crop_border": scale} for name, metric in (("psnr", PSNR), ("ssim", SSIM))}
    scores = bicubic_metrics(set5(scale), metrics)
    assert scores["psnr"] == pytest.approx(psnr, abs=6e-4)
    assert scores["ssim"] == pytest.approx(ssim, abs=6e-5)
