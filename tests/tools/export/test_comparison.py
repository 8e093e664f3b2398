"""How results are compared, and that the exported network gives torch's at every size."""

import copy
import math

import pytest
import torch

from ssiu_arch.tools.export import comparison
from ssiu_arch.tools.export.comparison import opened
from ssiu_arch.utils.timing import Latency


@pytest.fixture(scope="module")
def exported(model):
    return opened(model, 1)


@pytest.mark.parametrize("case", [*comparison.CASES, (1, 2, 40), (3, 15, 16)], ids=comparison.text_of)
def test_the_exported_network_is_the_network(exported, net, case):
    found = comparison.difference(exported, net, case)
    assert found.case == case
    assert found.largest < 1e-5  # ten times better than what is asked for
    assert found.psnr > 100


def test_the_sizes_that_are_checked_are_of_every_kind():
    sizes = {(h, w) for _, h, w in comparison.CASES}
    assert len(sizes) >= 4
    assert any(h % 2 and w % 2 and h != w for h, w in sizes)
    assert any(h % 16 and w % 16 and min(h, w) > 16 for h, w in sizes)
    assert any(h % 16 == w % 16 == 0 for h, w in sizes)
    assert (1, 1) in sizes
    assert max(batch for batch, _, _ in comparison.CASES) > 1


def test_a_constant_offset(net):
    found = comparison.difference(lambda y: net(y) + 0.1, net, (1, 5, 7))
    highest = net(comparison.random_images((1, 5, 7), 3)).abs().max().item()
    assert highest > 1
    assert found.largest == pytest.approx(0.1 / highest, rel=1e-4)
    assert found.psnr == pytest.approx(20, abs=1e-3)


def test_dark_images_do_not_make_a_difference_larger(plain_net):
    net = copy.deepcopy(plain_net)
    net.tail[-1].weight.data.zero_()
    net.tail[-1].bias.data.fill_(-0.9)
    found = comparison.difference(lambda y: net(y) + 0.1, net, (1, 5, 7))
    assert net(comparison.random_images((1, 5, 7), 3)).abs().max() < 0.95
    assert found.largest == pytest.approx(0.1, rel=1e-4)


def test_equal_results(net):
    found = comparison.difference(net, net, (2, 3, 4))
    assert (found.largest, found.psnr) == (0, math.inf)
    assert found.is_within(0)


def test_what_is_not_a_number_is_not_within_any_bar(net):
    found = comparison.difference(lambda y: net(y) * torch.nan, net, (1, 3, 4))
    assert not found.is_within(math.inf)


def test_a_result_of_another_size(net):
    with pytest.raises(ValueError, match=r"3x4: the exported result is \(1, 3, 12, 15\), torch's \(1, 3, 12, 16\)"):
        comparison.difference(lambda y: net(y)[..., :-1], net, (1, 3, 4))


def test_the_table_names_sizes_and_the_bar():
    shown = comparison.parity_table([comparison.Difference((2, 3, 4), 1.5e-6, 99.25)], "fp32")
    assert shown.rows == [("3x4, batch 2", ["1.5e-06", "99.2"])]
    assert shown.title.startswith("Export parity by size")
    assert "at most 0.0001" in shown.note


def test_torch_its_optimised_form_and_the_exported_network_run_in_turns(net):
    shapes = []

    def exported(y):
        assert not torch.is_grad_enabled()
        shapes.append(tuple(y.shape))
        return net(y)

    found = comparison.latencies(exported, net, (3, 5), 2)
    assert list(found) == [comparison.EAGER, comparison.FUSED, comparison.BF16, comparison.EXPORTED]
    assert {len(times.seconds) for times in found.values()} == {2}
    assert shapes == [(1, 3, 3, 5)] * 4  # two rounds of warm-up


def test_ratios_are_to_eager_torch_round_by_round():
    found = {comparison.EAGER: Latency([0.1, 0.2, 0.4]), comparison.EXPORTED: Latency([0.05, 0.12, 0.1])}
    shown = comparison.latency_table(found, (180, 320), "fp16")
    assert [(name, cells[0], cells[2]) for name, cells in shown.rows] == [
        (comparison.EAGER, "200", "1.000"),
        (comparison.EXPORTED, "100", "0.500"),
    ]
    assert all(fact in shown.title for fact in ("180x320", "fp16"))
