"""The parts of an SSIU in channels-last layout, where a 1x1 convolution is one matrix product.

A feature map is ``(B, H, W, C)`` here. The input of a 3x3 convolution has a reflected border of one pixel:
``(B, R + 2, W + 2, C)``.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import MSGM, SAM, SSIU, MoEFS
from ssiu_arch.inference.product import product


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

    @classmethod
    def of(cls, conv: nn.Conv2d) -> "Product":
        """The product equal to the 1x1 convolution ``conv``."""
        return cls(conv.weight, conv.bias)

    def forward(
        self, x: Tensor, *, gelu: bool = False, times: Tensor | None = None, plus: Tensor | None = None
    ) -> Tensor:
        """``(..., C)`` to ``(..., N)``; see ``product`` for the arguments."""
        return product(x, self.weight, self.bias, gelu=gelu, times=times, plus=plus)


class Conv3x3(Weights):
    """A 3x3 convolution of an input with a border."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.groups = conv.groups
        self.hold(weight=conv.weight, bias=conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, R + 2, W + 2, C)`` to ``(B, R, W, N)``."""
        return self._convolve(x, columns=0)

    def along_rows(self, x: Tensor) -> Tensor:
        """``(B, R + 2, W + 2, C)`` to ``(B, R, W + 2, N)``, whose first and last columns are meaningless.

        So a map keeps its width through several convolutions: only the two border columns are written again, instead
        of a copy of the map with a border.
        """
        return self._convolve(x, columns=1)

    def _convolve(self, x: Tensor, columns: int) -> Tensor:
        planes = x.permute(0, 3, 1, 2)  # (B, C, R + 2, W + 2), channels-last in memory
        return F.conv2d(planes, self.weight, self.bias, padding=(0, columns), groups=self.groups).permute(0, 2, 3, 1)


class Gating(nn.Module):
    """MSGM: ``W_o( GELU(W_1 x) * W_4( DW( W_3 x ) ) )``, in four products that include GELU, ``*`` and ``plus``."""

    def __init__(self, msgm: MSGM) -> None:
        super().__init__()
        self.w1, self.w3, self.w4, self.wo = (Product.of(conv) for conv in (msgm.w1, msgm.w3, msgm.w4, msgm.wo))
        self.dw = Conv3x3(msgm.dw)

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """``(B, R + 2, W + 2, C)`` to ``(B, R, W, C)``, plus ``plus`` of that shape."""
        return self._gate(x[:, 1:-1, 1:-1], self.dw(self.w3(x)), plus)

    def along_rows(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """``(B, R + 2, W + 2, C)`` to ``(B, R, W + 2, C)``; see ``Conv3x3.along_rows``."""
        return self._gate(x[:, 1:-1], self.dw.along_rows(self.w3(x)), plus)

    def _gate(self, x: Tensor, mixed: Tensor, plus: Tensor | None) -> Tensor:
        return self.wo(self.w4(mixed, times=self.w1(x, gelu=True)), plus=plus)


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

    def forward(self, x: Tensor, above: int = 0, below: int = 0) -> Tensor:
        """The attention of n rows of windows.

        Args:
            x: ``(B, above + 8n + below, W, C)``: n rows of windows, with the pixel row above and below them.
            above, below: 1, or 0 where the map ends and zeros take the place of that row.

        Returns:
            ``(B, 8n, W, C)``.
        """
        window, block = self.window, self.block
        batch, rows, width, num_feat = x.shape
        grid = ((rows - above - below) // window, width // window)  # (n, m)
        head = (self.num_head, num_feat // self.num_head)
        qkv = product(x, self.qkv)

        q = qkv[:, above : rows - below, :, :num_feat].reshape(batch, grid[0], window, grid[1], window, *head)
        q = q.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, window**2, head[1])  # (Bnmh, P, d)
        kv = F.pad(qkv[..., num_feat:], [0, 0, self.halo, self.halo, self.halo - above, self.halo - below])
        kv = kv.unfold(1, block, window).unfold(2, block, window)  # (B, n, m, 2C, 10, 10)
        kv = kv.unflatten(3, (2, *head)).permute(3, 0, 1, 2, 4, 6, 7, 5).reshape(2, -1, block**2, head[1])
        keys, values = kv[0] + self.position, kv[1]  # (Bnmh, Q, d)

        if x.is_cuda:
            out = self._by_cuda(q, keys, values)
        else:  # with so few channels, twice as fast as torch's CPU kernel
            out = torch.bmm(torch.bmm(q, keys.transpose(1, 2)).softmax(dim=2), values)
        out = out.reshape(batch, *grid, head[0], window, window, head[1]).permute(0, 1, 4, 2, 5, 3, 6)
        return out.reshape(batch, grid[0] * window, width, num_feat)

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
        self.gates = nn.ModuleList(Product.of(gate) for gate in selector.gates)
        self.fuse = Product.of(selector.fuse)

    def forward(self, experts: list[Tensor]) -> Tensor:
        """Three maps to one."""
        gates = torch.stack([gate(alpha) for gate, alpha in zip(self.gates, experts, strict=True)])
        s = (gates.softmax(dim=0) * torch.stack(experts)).sum(dim=0)
        return self.fuse(s, plus=s)


class Tail(Weights):
    """The reconstruction, which never stores its largest maps.

    A pixel shuffle by s moves channel ``c s^2 + i s + j`` of a pixel to row i and column j of s by s pixels. The
    weights are sorted by ``(i, j, c)``, so one product for each i gives rows of the shuffled map as they lie in
    memory, and nothing is shuffled. Shown for s = 2 and two pixels a, b::

        line i=0:  a00 a01 b00 b01      each entry: C channels; these are rows 2y and 2y + 1
        line i=1:  a10 a11 b10 b11      of the shuffled map

    The final 3x3 convolution has few outputs. So each of its nine taps is applied to every pixel, one product for all,
    and the results are shifted by the tap's place and added.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, tail: Any) -> None:
        super().__init__()
        *layers, last = tail
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
        taps = [self._taps(line) for line in self._shuffled(f, *self.lines)]  # s times (3, 3, out_ch, B, R, s W)

        inner = slice(above, f.shape[1] - below)
        x = []
        upper, lower = [tap[0] for tap in taps], [tap[2] for tap in taps]
        for n, tap in enumerate(taps):
            # A line gets taps of row 0 from the line above, of row 1 from itself, of row 2 from the line below. The sum
            # has a column index left; the same is done along the line, where the ends are reflected.
            columns = self._beside(upper, n - 1, above, below) + tap[1][..., inner, :]
            left, middle, right = columns + self._beside(lower, n + 1, above, below)  # (out_ch, B, R, s W) each
            line = middle + self.bias[:, None, None, None]
            line[..., 1:] += left[..., :-1]
            line[..., :1] += left[..., 1:2]
            line[..., :-1] += right[..., 1:]
            line[..., -1:] += right[..., -2:-1]
            x.append(line)
        return torch.stack(x, dim=3).flatten(2, 3).transpose(0, 1)

    def _shuffled(self, f: Tensor, products: nn.ModuleList, *more: nn.ModuleList) -> Iterator[Tensor]:
        """The s lines of the shuffled map, every s-th row from row 0, 1, ...: ``(B, R, s W, C)`` each."""
        for row in products:
            line = row(f, gelu=True).view(*f.shape[:2], -1, f.shape[3])
            yield from self._shuffled(line, *more) if more else [line]

    def _taps(self, line: Tensor) -> Tensor:
        """Every tap applied to a map ``(B, R, W, C)``: ``(3, 3, out_ch, B, R, W)``."""
        taps = product(self.weight, line.flatten(0, 2))  # weight first: each tap's map is contiguous
        return taps.float().view(3, 3, -1, *line.shape[:3])

    @staticmethod
    def _beside(taps: list[Tensor], n: int, above: int, below: int) -> Tensor:
        """Line n of each pixel; -1 is the last line of the pixel above, s the first of the one below.

        At the ends of the image these are reflected: line 1, or line s - 2. Shape: s of
        ``(3, out_ch, B, above + R + below, s W)`` to ``(3, out_ch, B, R, s W)``.
        """
        s, stop = len(taps), taps[0].shape[3] - below
        if n < 0:
            upper = taps[-1][..., : stop - 1, :]
            return upper if above else torch.cat([taps[1][..., :1, :], upper], dim=3)
        if n == s:
            lower = taps[0][..., above + 1 :, :]
            return lower if below else torch.cat([lower, taps[s - 2][..., -1:, :]], dim=3)
        return taps[n][..., above:stop, :]


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
        count = len(self.stages)
        if self.selector is None:
            return [count]
        return [count * n // MoEFS.num_expert for n in range(1, MoEFS.num_expert + 1)]

    def select(self, experts: list[Tensor]) -> Tensor:
        """f_x from the outputs of the stages ``experts``."""
        return experts[0] if self.selector is None else self.selector(experts)
