"""Times side by side: what is timed, and the table."""

import torch

from ssiu_arch.tools.export import latency
from ssiu_arch.utils.timing import Latency


def test_torch_its_optimised_form_and_the_exported_network_run_in_turns(net):
    shapes = []

    def exported(y):
        assert not torch.is_grad_enabled()
        shapes.append(tuple(y.shape))
        return net(y)

    found = latency.measure(exported, net, (3, 5), 2)
    assert list(found) == [latency.EAGER, latency.FUSED, latency.EXPORTED]
    assert {len(times.seconds) for times in found.values()} == {2}
    assert shapes == [(1, 3, 3, 5)] * 4  # two rounds of warm-up


def test_ratios_are_to_eager_torch_round_by_round():
    found = {latency.EAGER: Latency([0.1, 0.2, 0.4]), latency.EXPORTED: Latency([0.05, 0.12, 0.1])}
    shown = latency.table(found, (180, 320), "fp16")
    assert [(name, cells[0], cells[2]) for name, cells in shown.rows] == [
        (latency.EAGER, "200", "1.000"),
        (latency.EXPORTED, "100", "0.500"),
    ]
    assert all(fact in shown.title for fact in ("180x320", "fp16"))
