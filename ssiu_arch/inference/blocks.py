"""The parts of an SSIU in channels-last layout, where a 1x1 convolution is one matrix product.

A feature map is ``(B, H, W, C)`` here. The input of a 3x3 convolution has a reflected border of one pixel:
``(B, R + 2, W + 2, C)``.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import MSGM, SAM, SSIU, MoEFS


def product(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    gelu: bool = False,
    times: Tensor | None = None,
    plus: Tensor | None = None,
) -> Tensor:
    """``x weight^T + bias``, then one of: GELU, ``* times``, ``+ plus``; gradients are not computed.

    On a CPU oneDNN does both while a result is in the cache; after ``F.linear`` it would be read again. oneDNN also
    compiles its products for the CPU in use, which MKL does not do on every vendor's.

    Shape: ``x`` is ``(..., K)``, ``weight`` ``(N, K)``, ``bias`` ``(N,)``, ``times``, ``plus`` and the result
    ``(..., N)``.
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
        has_bf16 = dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        if not has_bf16 and not (dtype == torch.float32 and torch.backends.mkldnn.is_available()):
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


class Weights(nn.Module):
    """A module whose weights are buffers: not trained, but moved by ``to``."""

    def hold(self, **weights: Tensor | None) -> None:
        """Register copies of ``weights`` by their names."""
        for name, weight in weights.items():
            self.register_buffer(name, None if weight is None else weight.detach().clone().contiguous())


class Product(Weights):
    """A 1x1 convolution as a matrix product."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.hold(weight=weight.flatten(1), bias=bias)

    def forward(self, x: Tensor, **then: Any) -> Tensor:
        """``(..., C)`` to ``(..., N)``; ``then`` is what ``product`` does next."""
        return product(x, self.weight, self.bias, **then)


class Conv3x3(Weights):
    """A 3x3 convolution of an input with a border."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.groups = conv.groups
        self.hold(weight=conv.weight, bias=conv.bias)

    def forward(self, x: Tensor, *, keep_width: bool = False) -> Tensor:
        """``(B, R + 2, W + 2, C)`` to ``(B, R, W, N)``; to ``(B, R, W + 2, N)`` with ``keep_width``.

        Then the first and last columns are meaningless. So a map keeps its width through several convolutions: only
        the two border columns are written again, instead of a copy of the map with a border.
        """
        planes = x.permute(0, 3, 1, 2)  # (B, C, R + 2, W + 2), channels-last in memory
        padding = (0, int(keep_width))
        return F.conv2d(planes, self.weight, self.bias, padding=padding, groups=self.groups).permute(0, 2, 3, 1)


class Gating(nn.Module):
    """MSGM: ``W_o( GELU(W_1 x) * W_4( DW( W_3 x ) ) ) + plus``, five passes over memory instead of nine::

    x ---- W_1, GELU ------------.
    x ---- W_3 ---- DW ---- W_4, * ---- W_o, + plus
    """

    def __init__(self, msgm: MSGM) -> None:
        super().__init__()
        self.w1, self.w3, self.w4, self.wo = (
            Product(conv.weight, conv.bias) for conv in (msgm.w1, msgm.w3, msgm.w4, msgm.wo)
        )
        self.dw = Conv3x3(msgm.dw)

    def forward(self, x: Tensor, plus: Tensor | None = None, *, keep_width: bool = False) -> Tensor:
        """``(B, R + 2, W + 2, C)`` to ``(B, R, W, C)``, plus ``plus`` of that shape; see ``Conv3x3.forward``."""
        inner = x[:, 1:-1] if keep_width else x[:, 1:-1, 1:-1]
        mixed = self.dw(self.w3(x), keep_width=keep_width)
        return self.wo(self.w4(mixed, times=self.w1(inner, gelu=True)), plus=plus)


class Attention(Weights):
    """SAM: 8x8 windows attend to the 10x10 blocks around them, for whole rows of windows.

    The scale ``1 / sqrt(d)`` is part of the weights of q. Indices of the shapes: n rows and m columns of windows, h
    heads, P = 64 query pixels of a window, Q = 100 pixels of its block, d channels of a head.
    """

    qkv: Tensor
    position: Tensor

    def __init__(self, sam: SAM) -> None:
        super().__init__()
        self.num_head, self.window, self.halo, self.block = sam.num_head, sam.window, sam.halo, sam.block
        qkv = sam.qkv.weight.detach().flatten(1).clone()  # (3C, C)
        num_feat = qkv.shape[1]
        qkv[:num_feat] *= (num_feat // self.num_head) ** -0.5
        self.hold(qkv=qkv, position=sam._position())  # (Q, d)

    def forward(self, x: Tensor) -> Tensor:
        """The attention of n rows of m windows: ``(B, 8n + 2, 8m + 2, C)`` to ``(B, 8n, 8m, C)``.

        The pixels around the windows are in ``x``. Where the map ends they are zeros, and so are their keys and values,
        since the projection has no bias::

            . . . . . . . . . . . . . . . . . .     one row of two windows; 1, 2: their pixels
            . 1 1 1 1 1 1 1 1 2 2 2 2 2 2 2 2 .     window 1 attends to the block of columns 0 to 9,
            . 1 1 1 1 1 1 1 1 2 2 2 2 2 2 2 2 .     window 2 to that of columns 8 to 17: blocks overlap by two
            ...
        """
        window, block = self.window, self.block
        num_feat = x.shape[3]
        batch, height, width = x.shape[0], x.shape[1] - 2 * self.halo, x.shape[2] - 2 * self.halo
        grid = (height // window, width // window)  # (n, m)
        head = (self.num_head, num_feat // self.num_head)
        qkv = product(x, self.qkv)

        inner = slice(self.halo, -self.halo)
        q = qkv[:, inner, inner, :num_feat].reshape(batch, grid[0], window, grid[1], window, *head)
        q = q.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, window**2, head[1])  # (Bnmh, P, d)
        kv = qkv[..., num_feat:].unfold(1, block, window).unfold(2, block, window)  # (B, n, m, 2C, 10, 10)
        kv = kv.unflatten(3, (2, *head)).permute(3, 0, 1, 2, 4, 6, 7, 5).reshape(2, -1, block**2, head[1])
        keys, values = kv[0] + self.position, kv[1]  # (Bnmh, Q, d)

        if x.is_cuda:
            out = self._by_cuda(q, keys, values)
        else:  # with so few channels, twice as fast as torch's CPU kernel
            out = torch.bmm(torch.bmm(q, keys.transpose(1, 2)).softmax(dim=2), values)
        out = out.reshape(batch, *grid, head[0], window, window, head[1]).permute(0, 1, 4, 2, 5, 3, 6)
        return out.reshape(batch, height, width, num_feat)

    @staticmethod
    def _by_cuda(q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Torch's kernels, ``largest`` entries of the batch at a time: ``(N, P, d)``; shapes as in ``forward``."""
        largest = 2**16 - 1  # of the batch, and of the heads, that a CUDA kernel takes
        split = (x[:, None].split(largest) for x in (q, keys, values))
        results = [F.scaled_dot_product_attention(q, k, v, scale=1.0) for q, k, v in zip(*split, strict=True)]
        return results[0] if len(results) == 1 else torch.cat(results)


class Stage(Weights):
    """The parts of an SSReM."""

    scale: Tensor
    shift: Tensor

    def __init__(self, stage: Any) -> None:
        super().__init__()
        self.hold(scale=stage.norm.weight, shift=stage.norm.bias)
        self.sparsity, self.similarity = Gating(stage.sparsity), Gating(stage.similarity)
        self.attention = Attention(stage.attention)
        self.pooling = 2 if hasattr(stage.attention, "dw") else 1  # ESAM, or SAM
        self.spread: Any = Conv3x3(stage.attention.dw) if self.pooling == 2 else None
        self.centralise, self.ffn = Gating(stage.centralise), Gating(stage.ffn)

    def norm(self, alpha: Tensor) -> Tensor:
        """LN."""
        return F.layer_norm(alpha, self.scale.shape, self.scale, self.shift, eps=1e-6)


class Selector(nn.Module):
    """MoE-FS."""

    def __init__(self, selector: Any) -> None:
        super().__init__()
        self.gates = nn.ModuleList(Product(gate.weight, gate.bias) for gate in selector.gates)
        self.fuse = Product(selector.fuse.weight, selector.fuse.bias)

    def forward(self, experts: list[Tensor]) -> Tensor:
        """Three maps to one."""
        gates = torch.stack([gate(alpha) for gate, alpha in zip(self.gates, experts, strict=True)])
        w = gates.softmax(dim=0)
        s = torch.addcmul(torch.addcmul(w[0] * experts[0], w[1], experts[1]), w[2], experts[2])
        return self.fuse(s, plus=s)


class Tail(Weights):
    """The reconstruction, which never stores its largest maps.

    A pixel shuffle by s moves channel ``c s^2 + i s + j`` of a pixel to row i and column j of s by s pixels. The
    weights are sorted by ``(i, j, c)``, so one product for each i gives rows of the shuffled map as they lie in
    memory, and nothing is shuffled. Shown for s = 2 and two pixels a, b::

        line i=0:  a00 a01 b00 b01      each entry: C channels; these are rows 2y and 2y + 1
        line i=1:  a10 a11 b10 b11      of the shuffled map

    The final 3x3 convolution has few outputs. So each of its nine taps is applied to every pixel, one product for all.
    Then the results are shifted by the tap's place and added. Along one axis, for a pixel at p::

        result[p] = tap 0 of pixel p - 1  +  tap 1 of pixel p  +  tap 2 of pixel p + 1
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, tail: Any) -> None:
        super().__init__()
        *layers, last = tail
        self.upscale = math.prod(shuffle.upscale_factor for shuffle in layers[1::3])
        self.lines = nn.ModuleList()  # for each shuffle, the products of its lines
        for conv, shuffle in zip(layers[0::3], layers[1::3], strict=True):
            s = shuffle.upscale_factor
            weight = conv.weight.unflatten(0, (-1, s, s)).permute(1, 2, 0, 3, 4, 5).flatten(1, 2)  # (i, j c, C, 1, 1)
            bias = conv.bias.unflatten(0, (-1, s, s)).permute(1, 2, 0).flatten(1)
            self.lines.append(nn.ModuleList(Product(*line) for line in zip(weight, bias, strict=True)))
        taps = last.weight.permute(2, 3, 0, 1).flatten(0, 2)  # (row of the tap, its column, output), C
        self.hold(weight=taps, bias=last.bias)

    def forward(self, f: Tensor, above: int = 0, below: int = 0) -> Tensor:
        """The image without its interpolated base.

        Args:
            f: ``(B, above + R + below, W, C)``: features, with the row above and below them.
            above, below: 1, or 0 where the image ends and rows are reflected.

        Returns:
            ``(B, out_ch, s R, s W)``, float32.
        """
        batch, rows, width = f.shape[:3]
        s = self.upscale
        # Of every pixel and tap, with a border of one pixel: (27, B, s rows + 2, s W + 2). A row that ``above`` or
        # ``below`` adds gives s rows here; the one next to the result is read, and the border beyond them is not.
        taps = f.new_empty((len(self.weight), batch, s * rows + 2, s * width + 2), dtype=torch.float32)
        for n, line in enumerate(self._shuffled(f, *self.lines)):  # weight first: each tap's map is contiguous
            taps[:, :, n + 1 : -1 : s, 1:-1] = product(self.weight, line.flatten(0, 2)).view(-1, *line.shape[:3])
        for border, inner in ((0, 2), (-1, -3)):
            taps[..., border] = taps[..., inner]
            taps[..., border, :] = taps[..., inner, :]

        start, stop = s * above, s * (rows - below)
        taps = taps.unflatten(0, (3, 3, -1))
        upper, own, lower = (taps[i, ..., start + i : stop + i, :] for i in range(3))
        left, middle, right = (upper + own).add_(lower)  # (out_ch, B, s R, s W + 2) each
        x = (left[..., :-2] + middle[..., 1:-1]).add_(right[..., 2:])
        return x.transpose(0, 1) + self.bias[:, None, None]

    def _shuffled(self, f: Tensor, products: nn.ModuleList, *more: nn.ModuleList) -> Iterator[Tensor]:
        """The s lines of the shuffled map, every s-th row from row 0, 1, ...: ``(B, R, s W, C)`` each."""
        for row in products:
            line = row(f, gelu=True).view(*f.shape[:2], -1, f.shape[3])
            yield from self._shuffled(line, *more) if more else [line]


class Parts(nn.Module):
    """All parts of an SSIU."""

    def __init__(self, net: SSIU) -> None:
        super().__init__()
        self.upscale = net.upscale
        self.head = Conv3x3(net.head)
        self.stages: Any = nn.ModuleList(Stage(stage) for stage in net.stages)
        self.selector = None if net.selector is None else Selector(net.selector)
        self.tail = Tail(net.tail)

    @property
    def experts(self) -> list[int]:
        """The stages, from 1, whose outputs the selector reads; without a selector the last one."""
        count = 1 if self.selector is None else MoEFS.num_expert
        return [len(self.stages) * n // count for n in range(1, count + 1)]

    def select(self, experts: list[Tensor]) -> Tensor:
        """f_x from the outputs of the stages ``experts``."""
        return experts[0] if self.selector is None else self.selector(experts)
