import pytest
import torch
import torch.nn.functional as F

from ssiu_arch.inference import blocks as module
from ssiu_arch.inference.blocks import product


@pytest.fixture(params=["oneDNN", "torch"])
def way(request, monkeypatch):
    """Both ways to compute; the first is the second where torch has no oneDNN."""
    if request.param == "torch":
        monkeypatch.setattr(module, "_onednn_computes", lambda dtype: False)
    return request.param


THEN = {
    "alone": ({}, lambda xw, other: xw),
    "gelu": ({"gelu": True}, lambda xw, other: F.gelu(xw)),
    "times": ({"times": ...}, lambda xw, other: xw * other),
    "plus": ({"plus": ...}, lambda xw, other: xw + other),
}


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("bias", [True, False])
def test_is_the_convolution_and_what_comes_after(way, then, bias):
    options, expected = THEN[then]
    x, other = torch.randn(2, 3, 5, 16), torch.randn(2, 3, 5, 24)
    weight, bias = torch.randn(24, 16), torch.randn(24) if bias else None
    found = product(x, weight, bias, **{name: value if value is True else other for name, value in options.items()})
    planes = F.conv2d(
        x.permute(0, 3, 1, 2).double(), weight.double()[..., None, None], bias if bias is None else bias.double()
    )
    torch.testing.assert_close(
        found, expected(planes.permute(0, 2, 3, 1), other.double()).float(), atol=1e-5, rtol=1e-5
    )


def test_rows_of_a_larger_map(way):
    """A view that is not contiguous gives what its copy gives."""
    x, weight, plus = torch.randn(6, 7, 8), torch.randn(8, 8), torch.randn(6, 7, 8)
    found = product(x[1:-1, 2:], weight, plus=plus[1:-1, 2:])
    torch.testing.assert_close(found, product(x[1:-1, 2:].clone(), weight, plus=plus[1:-1, 2:].clone()))


def test_bfloat16_adds_up_in_float32(way):
    """256 products of 1 + 2^-7 would stop growing at 256 if they were added up in bfloat16."""
    x = torch.full((1, 512), 1 + 2**-7, dtype=torch.bfloat16)
    assert product(x, torch.ones(8, 512, dtype=torch.bfloat16))[0, 0] == 516


class Wrong:
    """Operators that are there, and wrong."""

    def __call__(self, *args):
        return torch.zeros(8, 8)

    binary = __call__


def test_onednn_switched_off(monkeypatch):
    monkeypatch.setattr(module, "_onednn_computes", lambda dtype: True)
    assert module._by_onednn(torch.zeros(1))
    with torch.backends.mkldnn.flags(enabled=False):
        assert not module._by_onednn(torch.zeros(1))


@pytest.mark.parametrize(
    "operator",
    [
        lambda *a: (_ for _ in ()).throw(RuntimeError("not on this CPU")),
        Wrong(),
    ],
    ids=["raises", "is wrong"],
)
def test_an_operator_that_fails_here_is_not_used(monkeypatch, operator):
    class Operators:
        _is_mkldnn_bf16_supported = staticmethod(lambda: True)
        _linear_pointwise = staticmethod(operator)

    module._onednn_computes.cache_clear()
    monkeypatch.setattr(torch.ops, "mkldnn", Operators)
    try:
        assert not module._onednn_computes(torch.float32)
    finally:
        module._onednn_computes.cache_clear()


def test_float64_is_left_to_torch():
    x, weight = torch.randn(4, 8, dtype=torch.float64), torch.randn(8, 8, dtype=torch.float64)
    torch.testing.assert_close(product(x, weight), x @ weight.t())
