"""Maps of networks whose attribution is known, and facts about all maps."""

import numpy as np
import pytest
import torch
from torch import nn

from ssiu_arch import SSIU
from ssiu_arch.tools.lam.attribution import (
    Attribution,
    as_input,
    attribute,
    blurred,
    detail,
    gini,
    integrated_gradients,
)
from ssiu_arch.tools.lam.inputs import Network, Patch
from ssiu_arch.utils.errors import UserError

CPU = torch.device("cpu")
QUICK = 4  # steps
LR = np.random.default_rng(3).integers(0, 256, (16, 18, 3), np.uint8)


def named(net, scale=1):
    return Network("mine", net.eval().requires_grad_(False), scale)


def seen(patch, reach):
    """The pixels within ``reach`` of those that a network's result is compared at: the patch, one below, one right."""
    mask = torch.zeros(1, 1, *LR.shape[:2])
    x, y, side = patch
    mask[..., y : y + side, x : x + side] = mask[..., y + side, x : x + side] = mask[..., y : y + side, x + side] = 1
    return nn.functional.max_pool2d(mask, 2 * reach + 1, 1, reach)[0, 0].bool().numpy()


class Bilinear(nn.Module):
    def forward(self, y):
        return nn.functional.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)


@pytest.fixture(scope="module")
def conv(sine_weights):
    return sine_weights(nn.Conv2d(3, 3, 3, padding=1))


@pytest.fixture(scope="module")
def ssiu(sine_weights):
    return sine_weights(SSIU(upscale=2, num_feat=16, num_block=3))


@pytest.mark.parametrize("patch", [Patch(5, 4, 4), Patch(2, 9, 3), Patch(8, 6, 1)])
def test_the_identity_sees_the_patch_alone(patch):
    found = attribute(named(nn.Identity()), LR, patch, QUICK, CPU)
    assert np.array_equal(found.contribution != 0, seen(patch, 0))


@pytest.mark.parametrize("patch", [Patch(5, 4, 4), Patch(2, 9, 3), Patch(8, 6, 1)])
def test_a_convolution_of_3x3_sees_3x3_and_two_see_5x5(patch, conv):
    one, two = (attribute(named(net), LR, patch, QUICK, CPU) for net in (conv, nn.Sequential(conv, conv)))
    assert np.array_equal(one.contribution != 0, seen(patch, 1))
    assert np.array_equal(two.contribution != 0, seen(patch, 2))
    assert one.diffusion_index < two.diffusion_index


def test_bilinear_interpolation_sees_two_neighbours():
    found = attribute(named(Bilinear(), scale=2), LR, Patch(8, 12, 4), QUICK, CPU)
    rows, columns = np.nonzero(found.contribution)
    # pixel o of the result lies at (o + 1/2)/2 - 1/2: 8 between 3 and 4, 12 between 5 and 6, 16 between 7 and 8
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (3, 6, 5, 8)


def test_a_map_of_the_identity_is_its_share_of_the_edges():
    """Without mixing of pixels, the contribution of a single edge is that edge's own growth from blurred to sharp."""
    lr = np.zeros((16, 16, 3), np.uint8)
    lr[:, 8:] = 255
    found = attribute(named(nn.Identity()), lr, Patch(7, 5, 1), 1, CPU)
    assert found.after == pytest.approx(3)  # three channels, from 0 to 1
    assert found.map[:, 5, 7:9].sum() == pytest.approx(found.after - found.before)
    assert found.map[0, 5, 7] == pytest.approx(found.map[0, 5, 8])  # the dark side as much as the bright one
    assert np.count_nonzero(found.contribution > 1e-12) == 2


def test_a_map_moves_with_the_patch(conv):
    net = nn.Sequential(conv, nn.GELU(), conv)
    lr = np.random.default_rng(3).integers(0, 256, (24, 26, 3), np.uint8)
    here = attribute(named(net), lr, Patch(9, 9, 3), QUICK, CPU)
    there = attribute(named(net), np.roll(lr, (1, 2), (0, 1)), Patch(11, 10, 3), QUICK, CPU)
    np.testing.assert_allclose(there.map, np.roll(here.map, (1, 2), (1, 2)), rtol=0, atol=1e-5)
    assert there.diffusion_index == pytest.approx(here.diffusion_index, rel=1e-4)


def test_ssiu_sees_further_than_a_convolution(sine_weights, conv):
    ssiu, upscaling = sine_weights(SSIU(upscale=2, num_feat=16, num_block=3)), nn.Sequential(conv, Bilinear())
    for name, parameter in ssiu.stages.named_parameters():
        if "norm" not in name:
            parameter.data *= 2  # so that what the stages add outweighs the bilinear base
    wide, narrow = (attribute(named(net, scale=2), LR, Patch(14, 14, 4), QUICK, CPU) for net in (ssiu, upscaling))
    assert wide.diffusion_index > 1.5 * narrow.diffusion_index
    assert wide.area.sum() > narrow.area.sum()


def test_the_sum_of_a_map_is_the_change_of_the_detector(ssiu):
    coarse, fine = (attribute(named(ssiu, scale=2), LR, Patch(14, 14, 4), n, CPU) for n in (2, 50))
    image = as_input(LR)
    with torch.no_grad():
        ends = [blurred(image, sigma, 9)[None].float() for sigma in (1.2, 0.0)]
        before, after = (detail(ssiu(end), Patch(14, 14, 4)).item() for end in ends)
    assert (fine.before, fine.after) == pytest.approx((before, after))
    assert fine.error == pytest.approx(abs(fine.map.sum() - (after - before)) / abs(after - before), rel=1e-3)
    assert fine.error < 0.01
    assert fine.error < coarse.error


def test_float32_is_enough(ssiu):
    single = attribute(named(ssiu, scale=2), LR, Patch(14, 14, 4), 6, CPU)
    double = SSIU(upscale=2, num_feat=16, num_block=3).double()
    double.load_state_dict(ssiu.state_dict())
    image = as_input(LR)
    exact = integrated_gradients(
        lambda points: detail(double(points), Patch(14, 14, 4)),
        lambda alpha: blurred(image, 1.2 * (1 - alpha), 9),
        steps=6,
    )
    exact = exact.detach().numpy()
    np.testing.assert_allclose(single.map, exact, rtol=0, atol=1e-4 * np.abs(exact).max())


def test_parameters_get_no_gradient_and_stay(ssiu):
    net = named(ssiu, scale=2)
    before = {name: value.clone() for name, value in ssiu.state_dict().items()}
    attribute(net, LR, Patch(14, 14, 4), QUICK, CPU)
    assert all(parameter.grad is None for parameter in ssiu.parameters())
    assert all(torch.equal(value, before[name]) for name, value in ssiu.state_dict().items())


class Fails(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, y):
        raise self.error


class Rounds(nn.Module):
    def forward(self, y):
        return (255 * y.detach()).round()


class Diverges(nn.Module):
    def forward(self, y):
        return y / (y - y)


BAD = {
    "a flat image": (nn.Identity(), np.full_like(LR, 90), "mine: .*flat.*--at"),
    "memory": (Fails(MemoryError()), LR, "mine: out of memory: .*--crop"),
    "an error": (Fails(RuntimeError("no\nsuch size")), LR, "mine: .*: no\\nsuch size"),
    "no gradient": (Rounds(), LR, "mine: .*does not require grad"),
    "no numbers": (Diverges(), LR, "mine: .*not finite; check .* weights"),
}


@pytest.mark.parametrize(("net", "lr", "line"), BAD.values(), ids=BAD)
def test_what_cannot_be_attributed_is_said(net, lr, line):
    with pytest.raises(UserError, match=line):
        attribute(named(net), lr, Patch(5, 4, 4), QUICK, CPU)


def test_gini_of_equal_values_is_zero_and_of_one_among_zeros_all_but_one_nth():
    assert gini(np.full((4, 5), 0.3)) == pytest.approx(0, abs=1e-15)
    one = np.zeros((4, 5))
    one[2, 1] = 7
    assert gini(one) == pytest.approx(1 - 1 / 20, abs=1e-15)


def test_gini_is_its_definition_and_has_no_unit():
    values = np.random.default_rng(0).random((6, 7)) ** 3
    n = values.size
    differences = np.abs(values.reshape(-1, 1) - values.reshape(1, -1)).sum()
    assert gini(values) == pytest.approx(differences / (2 * n**2 * values.mean()), abs=1e-14)
    assert gini(1e-9 * values) == pytest.approx(gini(values), abs=1e-14)


def test_the_diffusion_index_of_k_equal_pixels_is_their_share_of_all():
    values = np.zeros((1, 5, 10))
    values[0, 2, 3:7] = [2, -2, 2, -2]
    assert Attribution("x", values, 0, 1).diffusion_index == pytest.approx(100 * 4 / 50)


def test_a_pixel_contributes_by_the_sum_of_its_channels_and_the_area_is_over_a_hundredth_of_the_largest():
    values = np.zeros((3, 5, 8))
    values[:, 1, 2], values[:, 2, 2] = [50, -300, 50], [2, -2, 0]
    values[0, 3, 6], values[0, 0, 0], values[0, 1, 3] = 2.1, 2.0, 50
    found = Attribution("x", values, 0, 1)
    assert (found.contribution[1, 2], found.contribution[2, 2]) == (200, 0)
    assert list(zip(*np.nonzero(found.area), strict=True)) == [(1, 2), (1, 3), (3, 6)]
