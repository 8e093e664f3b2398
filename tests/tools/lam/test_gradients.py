"""Integrated gradients: against Captum's, and by facts of calculus."""

import math

import pytest
import torch
from torch import nn

from ssiu_arch.tools.lam.gradients import integrated_gradients
from ssiu_arch.tools.lam.objective import Patch, detail
from ssiu_arch.tools.lam.path import blur_path, straight_path


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
    ours = integrated_gradients(objective, straight_path(baseline, image), steps=steps, at_a_time=3)
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
    sums = [integrated_gradients(objective, path, steps=n, at_a_time=n).sum().item() for n in numbers]
    return [abs(found - change) / abs(change) for found in sums]


def test_along_any_path_the_sum_nears_the_change_with_the_square_of_the_steps(sine_weights):
    net = sine_weights(nn.Conv2d(3, 3, 3, padding=1)).double()
    found = errors(
        lambda points: net(points).tanh().sum((1, 2, 3)), blur_path(images(1)[0], sigma=1.2, kernel=9), (40, 80)
    )
    assert found[0] / found[1] == pytest.approx(4, rel=0.05)
    assert found[1] < 1e-4


def test_with_the_detector_of_edges_it_nears_the_change_too(objective):
    found = errors(objective, blur_path(images(1)[0], sigma=1.2, kernel=9), (10, 50, 250))
    assert found == sorted(found, reverse=True)
    assert found[1] < 0.01
    assert found[2] < 0.001


@pytest.mark.parametrize("at_a_time", [2, 5, 9, 100])
def test_steps_at_a_time_change_nothing(objective, at_a_time):
    path = blur_path(images(1)[0], sigma=1.2, kernel=5)
    calls = []
    found = integrated_gradients(objective, path, steps=9, at_a_time=at_a_time, before_each=lambda: calls.append(None))
    torch.testing.assert_close(found, integrated_gradients(objective, path, steps=9), rtol=0, atol=1e-14)
    assert len(calls) == math.ceil(9 / at_a_time)


def test_an_objective_without_a_gradient_is_refused():
    path = straight_path(*images(2))
    with pytest.raises(ValueError, match="the objective has no gradient"):
        integrated_gradients(lambda points: points.detach().sum((1, 2, 3)), path, steps=2)
