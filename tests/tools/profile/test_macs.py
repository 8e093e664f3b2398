"""Multiply-adds: the published numbers, and networks whose count is known by hand."""

import pytest
import torch
from torch import nn

from ssiu_arch import SSIU
from ssiu_arch.tools.profile.macs import multiply_adds
from ssiu_arch.utils.errors import UserError


@pytest.mark.parametrize(
    ("upscale", "size", "giga"), [(2, (360, 640), 167.2), (3, (240, 427), 76.6), (4, (180, 320), 48.9)]
)
def test_published_models_at_a_result_of_1280x720(upscale, size, giga):
    assert round(multiply_adds(SSIU(upscale=upscale), (1, 3, *size)) / 1e9, 1) == giga


def test_convolutions_by_hand():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 4, 1, stride=2)
    )
    pixels = 10 * 14
    assert multiply_adds(net, (2, 3, 10, 14)) == 2 * (pixels * (27 * 8 + 9 * 8) + pixels // 4 * 8 * 4)


class Attention(nn.Module):
    def forward(self, x):
        rows = x.flatten(2)  # (B, C, HW): C tokens of HW channels
        return nn.functional.scaled_dot_product_attention(rows, rows, rows)


def test_attention_is_two_matrix_products():
    assert multiply_adds(Attention(), (1, 8, 4, 6)) == 2 * 8 * 8 * 24


class Stubborn(nn.Conv2d):
    def forward(self, x):
        return super().forward(x * float(x.mean()))  # a number: the meta device has none


def test_networks_that_the_meta_device_cannot_follow_are_run():
    assert multiply_adds(Stubborn(3, 5, 3, padding=1), (1, 3, 6, 7)) == 42 * 27 * 5


def test_a_network_is_left_as_it_was():
    net = nn.Conv2d(3, 3, 1)
    multiply_adds(net, (1, 3, 4, 4))
    assert net.weight.device == torch.device("cpu")


def test_a_size_that_a_network_does_not_take():
    with pytest.raises(UserError, match=r"cannot run on LR images of 2x2, batch 1: .*[Kk]ernel size"):
        multiply_adds(nn.Conv2d(3, 3, 5), (1, 3, 2, 2))
