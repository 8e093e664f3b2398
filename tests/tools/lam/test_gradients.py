"""Detector, blur path and integrated gradients: against OpenCV and Captum, and by facts of calculus."""

import math

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from ssiu_arch.tools.lam.attribution import blurred, detail, integrated_gradients
from ssiu_arch.tools.lam.inputs import Patch

IMAGE = torch.rand(3, 11, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("patch", "pixels"), [(Patch(1, 2, 3), 9), (Patch(5, 4, 3), 4), (Patch(5, 2, 3), 6), (Patch(0, 0, 1), 1)]
)
def test_a_ramp_has_the_same_gradient_everywhere_but_in_the_last_row_and_column(patch, pixels):
    rows, columns = torch.meshgrid(torch.arange(7.0), torch.arange(8.0), indexing="ij")
    ramp = (2 * rows - columns).expand(1, 3, 7, 8)
    assert detail(ramp, patch).item() == pytest.approx(3 * pixels * math.sqrt(5))


def test_only_the_patch_and_the_pixels_below_and_right_of_it_count():
    result = torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(detail(result, Patch(2, 3, 4)).sum(), result)
    expected = torch.zeros(9, 9, dtype=torch.bool)
    expected[3:7, 2:6] = expected[7, 2:6] = expected[3:7, 6] = True
    assert torch.equal(gradient[0, 0] != 0, expected)


def test_in_a_flat_patch_the_gradient_is_zero_and_no_nan():
    result = torch.full((1, 3, 6, 6), 0.5, requires_grad=True)
    value = detail(result, Patch(1, 1, 3))
    (gradient,) = torch.autograd.grad(value.sum(), result)
    assert value.item() == 0
    assert torch.equal(gradient, torch.zeros_like(result))


def test_every_image_of_a_batch_is_for_itself():
    results = torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([detail(result[None], Patch(1, 1, 4)) for result in results])
    torch.testing.assert_close(detail(results, Patch(1, 1, 4)), alone)


@pytest.mark.parametrize(("sigma", "kernel"), [(1.2, 9), (0.4, 3), (3.0, 5)])
def test_the_blur_is_a_gaussian_over_the_mirrored_image(sigma, kernel):
    offsets = np.arange(kernel) - kernel // 2
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    filtered = cv2.filter2D(
        IMAGE.permute(1, 2, 0).numpy(), -1, weights / weights.sum(), borderType=cv2.BORDER_REFLECT_101
    )
    np.testing.assert_allclose(blurred(IMAGE, sigma, kernel).permute(1, 2, 0), filtered, rtol=0, atol=1e-14)


def test_less_blur_leaves_more_and_none_leaves_all():
    spread = [blurred(IMAGE, sigma, 9).var() for sigma in (2.0, 1.5, 1.0, 0.5, 0.0)]
    assert spread == sorted(spread)
    assert spread[0] < 0.2 * spread[-1]
    for sigma in (0.0, 1e-3):
        torch.testing.assert_close(blurred(IMAGE, sigma, 9), IMAGE, rtol=0, atol=0)


def straight_path(baseline, image):
    """The path of integrated gradients (Sundararajan et al., ICML 2017)."""
    return lambda alpha: baseline + alpha * (image - baseline)


def blur_path(image):
    return lambda alpha: blurred(image, 1.2 * (1 - alpha), 9)


def images(count):
    return torch.rand(count, 3, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def objective(sine_weights):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.GELU(), nn.Conv2d(4, 3, 3, padding=1))
    net = sine_weights(net).double()
    return lambda points: detail(net(points), Patch(2, 3, 4))


@pytest.mark.parametrize("steps", [2, 8, 32])  # powers of two, since Captum rounds alpha and 1/n to float32
def test_along_a_straight_line_it_is_captum_s(objective, steps):
    attr = pytest.importorskip("captum.attr", reason="captum, of the extra test, is not installed")
    baseline, image = images(2)
    theirs = attr.IntegratedGradients(objective).attribute(
        image[None], baseline[None], n_steps=steps, method="riemann_middle"
    )
    ours = integrated_gradients(objective, straight_path(baseline, image), steps=steps)
    torch.testing.assert_close(ours, theirs[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("steps", [1, 5])
def test_of_squares_it_is_the_difference_of_the_squares(steps):
    baseline, image = images(2)
    found = integrated_gradients(
        lambda points: points.square().sum((1, 2, 3)), straight_path(baseline, image), steps=steps
    )
    torch.testing.assert_close(found, image.square() - baseline.square(), rtol=0, atol=1e-14)


def errors(objective, path, numbers):
    change = (objective(path(1.0)[None]) - objective(path(0.0)[None])).item()
    sums = [integrated_gradients(objective, path, steps=n).sum().item() for n in numbers]
    return [abs(found - change) / abs(change) for found in sums]


def test_along_any_path_the_sum_nears_the_change_with_the_square_of_the_steps(sine_weights):
    net = sine_weights(nn.Conv2d(3, 3, 3, padding=1)).double()
    found = errors(lambda points: net(points).tanh().sum((1, 2, 3)), blur_path(images(1)[0]), (40, 80))
    assert found[0] / found[1] == pytest.approx(4, rel=0.05)
    assert found[1] < 1e-4


def test_with_the_detector_of_edges_it_nears_the_change_too(objective):
    found = errors(objective, blur_path(images(1)[0]), (10, 50, 250))
    assert found == sorted(found, reverse=True)
    assert found[1] < 0.01
    assert found[2] < 0.001
