import torch

from ssiu_arch.checks.peak import PeakBytes


def test_tensors_count_while_they_live():
    with PeakBytes() as found:
        a = torch.zeros(100)  # 400 bytes
        b = a + 1
        del a
        c = b.double()  # 800 bytes
    assert found.peak == 400 + 800
    del b, c


def test_views_and_known_tensors_do_not_count():
    known = torch.zeros(1000)
    with PeakBytes([known]) as found:
        known.mul_(2)
        known[:10].view(2, 5)
    assert found.peak == 0


def test_what_the_backward_pass_keeps_counts():
    weight = torch.ones(100, requires_grad=True)
    weight.grad = torch.zeros(100)
    with PeakBytes([weight, weight.grad]) as found:
        kept = weight * 2
        total = (kept * kept).sum()
        del kept
        total.backward()
    assert found.peak >= 3 * 400  # kept, its square, a gradient
