"""Matrix products of feature maps, with the next operation in the same pass over memory."""

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
    """``x weight^T + bias``, then one of: GELU, ``* times``, ``+ plus``.

    On a CPU oneDNN does both while a result is in the cache; after ``F.linear`` it would be read again. oneDNN also
    compiles its products for the CPU in use, which MKL does not do on every vendor's.

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
    """Whether to use oneDNN's fused products for ``x``; not while tracing, since compilers fuse by themselves."""
    if x.device.type != "cpu" or torch.compiler.is_compiling() or not torch.backends.mkldnn.enabled:
        return False
    return _onednn_computes(x.dtype)


@cache
def _onednn_computes(dtype: torch.dtype) -> bool:
    """Whether torch has these operators, private ones of inductor, and they compute correctly on this CPU."""
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
