"""The form for exporters is the network."""

import pytest
import torch
import torch.nn.functional as F

from ssiu_arch.archs import ssiu_arch
from ssiu_arch.tools.export.to_onnx import Exportable, reflect_to_multiple


def test_padding_is_the_networks_for_every_size():
    for h in range(1, 36):
        image = torch.rand(1, 2, h, 36 - h)
        assert torch.equal(reflect_to_multiple(image, 16), ssiu_arch.reflect_to_multiple(image, 16))


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (16, 16), (17, 33)])
@torch.no_grad()
def test_it_computes_what_the_network_does(net, size):
    y = torch.rand(2, 3, *size)
    assert torch.equal(Exportable(net)(y), net(y))


@torch.no_grad()
def test_in_half_precision_the_interpolated_image_stays_as_it_is(net):
    y = torch.rand(1, 3, 9, 20)
    half = Exportable(net, half=True)
    assert 0 < (half(y) - net(y)).abs().max() < 0.01
    half.net.tail[-1].weight.zero_()
    half.net.tail[-1].bias.zero_()
    base = F.interpolate(reflect_to_multiple(y, 16), scale_factor=4, mode="bilinear", align_corners=False)
    assert torch.equal(half(y), base[:, :, :36, :80])


def test_half_precision_leaves_the_network_itself_alone(net):
    half = Exportable(net, half=True)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.float16}
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}
