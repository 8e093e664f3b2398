"""Products of a feature map with a matrix, and what comes after them in the same pass over memory."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


def product(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    gelu: bool = False,
    times: Tensor | None = None,
    plus: Tensor | None = None,
) -> Tensor:
    """``x weight^T + bias``, and after that one of: GELU of it, it times ``times``, it plus ``plus``.

    On a CPU, oneDNN does both before a result leaves the cache, where ``F.linear`` leaves it to be read again; and its
    products are compiled for the CPU at hand, where MKL's are not on every maker's.

    Shape: ``x`` is ``(..., K)``, ``weight`` ``(N, K)``, ``bias`` ``(N,)``, ``times``, ``plus`` and the result
    ``(..., N)``. Gradients are not computed.
    """
    if _by_onednn(x):
        linear = torch.ops.mkldnn._linear_pointwise
        if times is not None:
            return linear.binary(x, times, weight, bias, "mul")
        if plus is not None:
            return linear.binary(x, plus, weight, bias, "add")
        return linear(x, weight, bias, *(("gelu", [], "none") if gelu else ("none", [], "")))
    result = F.linear(x, weight, bias)
    if gelu:
        return F.gelu(result)
    if times is not None:
        return result * times
    return result if plus is None else result + plus


def _by_onednn(x: Tensor) -> bool:
    """Whether oneDNN's fused products serve ``x``; not while a compiler traces, which makes its own."""
    if x.device.type != "cpu" or torch.compiler.is_compiling() or not torch.backends.mkldnn.enabled:
        return False
    return _onednn_computes(x.dtype)


@cache
def _onednn_computes(dtype: torch.dtype) -> bool:
    """Whether this torch has the operators, which are inductor's own, and they are right on this CPU in ``dtype``."""
    try:
        if dtype == torch.bfloat16:
            supported = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        else:
            supported = dtype == torch.float32 and torch.backends.mkldnn.is_available()
        if not supported:
            return False
        x = torch.eye(8, dtype=dtype, device="cpu")
        ones, twos = torch.ones_like(x), torch.full_like(x, 2.0)
        linear = torch.ops.mkldnn._linear_pointwise
        results = {  # of the product 3
            3.0: linear(x, ones, twos[0], "none", [], ""),
            2.9959: linear(x, ones, twos[0], "gelu", [], "none"),
            6.0: linear.binary(x, twos, ones, twos[0], "mul"),
            5.0: linear.binary(x, twos, ones, twos[0], "add"),
        }
    except (AttributeError, RuntimeError):
        return False
    return all(((result.float() - expected).abs() < 0.02).all() for expected, result in results.items())
