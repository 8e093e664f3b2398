"""The plain form computes what the network does."""

import pytest
import torch

from ssiu_arch import SSIU
from ssiu_arch.tools.profile.macs import multiply_adds
from ssiu_arch.tools.profile.plain import PlainSSIU

VARIANTS = {
    "x2": {"upscale": 2},
    "x3": {"upscale": 3},
    "x4": {"upscale": 4},
    "six stages, two heads": {"num_block": 6, "num_head": 2},
    "SAM": {"sparse_attention": False},
    "no selector": {"feature_selector": False, "num_block": 4},
}


def network(**options):
    torch.manual_seed(0)
    net = SSIU(**{"num_feat": 16, "num_block": 3, **options}).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.3)  # so that no part of it is negligible
    return net.double()


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 3, 17, 40), (1, 3, 48, 64)], ids=str)
@torch.no_grad()
def test_it_equals_the_network(options, shape):
    net, y = network(**options), torch.rand(shape, dtype=torch.float64)
    expected = net(y)
    assert expected.std() > 0.1
    torch.testing.assert_close(PlainSSIU(net)(y), expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("upscale", [2, 3, 4])
@torch.no_grad()
def test_it_equals_the_published_network_in_float32(upscale):
    torch.manual_seed(0)
    net, y = SSIU(upscale=upscale).eval(), torch.rand(1, 3, 24, 40)
    assert (PlainSSIU(net)(y) - net(y)).abs().max() < 1e-5


def test_its_parameters_are_the_networks_own():
    net = network()
    plain = PlainSSIU(net)
    assert {id(p) for p in plain.parameters()} == {id(p) for p in net.parameters()}
    assert len(list(plain.parameters())) == len(list(net.parameters()))


def test_nothing_is_computed_twice():
    net = SSIU()
    assert multiply_adds(PlainSSIU(net), (1, 3, 48, 64)) == multiply_adds(net, (1, 3, 48, 64))
