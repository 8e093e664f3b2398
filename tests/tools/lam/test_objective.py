"""The detector of edges."""

import math

import pytest
import torch

from ssiu_arch.tools.lam.objective import Patch, detail


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
