"""SSIU in its plain published form: the baseline of every comparison.

One operation for each operation of the paper, network and input in torch's default layout, as a careful author writes
them who has not optimised yet: normalisation from its mean and variance, every 1x1 convolution by itself, overlapping
blocks by ``unfold``, attention as product, softmax and product. Nothing is done twice or made slower than that; so the
normalisation's result keeps the strides that turning pixels into rows and back gives it, since copying it into order
would cost more than it brings. Shape letters are those of ``ssiu_arch.archs.ssiu_arch``.
"""

from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import ESAM, MSGM, SAM, SSIU, LayerNorm, MoEFS, SSReM, reflect_to_multiple


class PlainSSIU(nn.Module):
    """A network that computes what ``net`` does, with the very same parameters.

    Args:
        net: the network; later changes of its parameters show here too.

    Shape: as ``SSIU``, ``(B, num_in_ch, h, w)`` to ``(B, num_in_ch, s*h, s*w)``.
    """

    def __init__(self, net: SSIU) -> None:
        super().__init__()
        self.upscale = net.upscale
        self.head = net.head
        self.stages = nn.ModuleList(PlainStage(cast(SSReM, stage)) for stage in net.stages)
        self.selector = PlainSelector(net.selector) if net.selector is not None else None
        self.tail = net.tail

    def forward(self, y: Tensor) -> Tensor:
        height, width = y.shape[2:]
        y = reflect_to_multiple(y, 2 * SAM.window)
        f_y = self.head(y)

        outputs = []
        alpha = f_y
        for stage in self.stages:
            alpha = stage(alpha, f_y)
            outputs.append(alpha)
        third = len(outputs) // 3
        f_x = alpha if self.selector is None else self.selector(outputs[third - 1 :: third])

        base = F.interpolate(y, scale_factor=self.upscale, mode="bilinear", align_corners=False)
        x = self.tail(f_x + f_y) + base
        return x[:, :, : self.upscale * height, : self.upscale * width]


class PlainStage(nn.Module):
    """``SSReM``: Eqs. (10)-(14)."""

    def __init__(self, stage: SSReM) -> None:
        super().__init__()
        self.norm = PlainLayerNorm(stage.norm)
        self.sparsity = PlainGate(stage.sparsity)
        self.similarity = PlainGate(stage.similarity)
        self.attention = PlainAttention(stage.attention)
        self.centralise = PlainGate(stage.centralise)
        self.ffn = PlainGate(stage.ffn)

    def forward(self, alpha: Tensor, f_y: Tensor) -> Tensor:
        a = self.norm(alpha)
        z = self.sparsity(a)
        beta = self.similarity(a)
        u = a + z + f_y
        v = self.attention(u) + u
        refined = self.centralise(v - beta) + beta
        return self.ffn(refined) + refined


class PlainLayerNorm(nn.Module):
    """``LayerNorm``, its definition written out over the pixels as rows."""

    def __init__(self, norm: LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        pixels = rearrange(x, "b c h w -> b (h w) c")
        mean = pixels.mean(dim=-1, keepdim=True)
        variance = pixels.var(dim=-1, keepdim=True, unbiased=False)
        pixels = (pixels - mean) / torch.sqrt(variance + 1e-6) * self.weight + self.bias
        return rearrange(pixels, "b (h w) c -> b c h w", h=height)


class PlainGate(nn.Module):
    """``MSGM``."""

    def __init__(self, gate: MSGM) -> None:
        super().__init__()
        self.w1, self.w3, self.dw, self.w4, self.wo = gate.w1, gate.w3, gate.dw, gate.w4, gate.wo

    def forward(self, x: Tensor) -> Tensor:
        threshold = F.gelu(self.w1(x))
        mixed = self.w4(self.dw(self.w3(x)))  # the 3x3 pads by reflection, then convolves
        return self.wo(threshold * mixed)


class PlainAttention(nn.Module):
    """``ESAM``, or ``SAM`` on the full-size map where that is what it is made of."""

    def __init__(self, attention: SAM) -> None:
        super().__init__()
        self.num_head = attention.num_head
        self.qkv = attention.qkv
        self.rel_h, self.rel_w = attention.rel_h, attention.rel_w
        self.dw = attention.dw if isinstance(attention, ESAM) else None

    def forward(self, u: Tensor) -> Tensor:
        if self.dw is None:
            return self.attend(u)
        active = F.max_pool2d(u, kernel_size=2, stride=2)
        spread = self.dw(self.attend(active))
        return F.interpolate(spread, size=u.shape[2:], mode="bilinear", align_corners=True)

    def attend(self, x: Tensor) -> Tensor:
        """Every 8x8 window attends to the 10x10 block around it: ``(B, C, H, W)`` in and out."""
        channels, height, width = x.shape[1:]
        window, halo, heads = SAM.window, SAM.halo, self.num_head
        block = window + 2 * halo
        qkv = self.qkv(x)

        q = qkv[:, :channels]
        q = rearrange(q, "b (h d) (y r) (x c) -> (b y x h) (r c) d", h=heads, r=window, c=window)
        blocks = F.unfold(qkv[:, channels:], kernel_size=block, stride=window, padding=halo)  # (B, 2C*Q, N)
        k, v = rearrange(blocks, "b (kv h d q) n -> kv (b n h) q d", kv=2, h=heads, q=block**2)

        position = [self.rel_h.expand(-1, -1, block, -1), self.rel_w.expand(-1, block, -1, -1)]
        k = k + rearrange(torch.cat(position, dim=-1), "1 r c d -> 1 (r c) d")

        q = q * (channels // heads) ** -0.5
        weights = torch.einsum("npd,nqd->npq", q, k).softmax(dim=-1)
        out = torch.einsum("npq,nqd->npd", weights, v)
        return rearrange(
            out, "(b y x h) (r c) d -> b (h d) (y r) (x c)", y=height // window, x=width // window, h=heads, r=window
        )


class PlainSelector(nn.Module):
    """``MoEFS``."""

    def __init__(self, selector: MoEFS) -> None:
        super().__init__()
        self.gates, self.fuse = selector.gates, selector.fuse

    def forward(self, experts: list[Tensor]) -> Tensor:
        gates = torch.stack([gate(alpha) for gate, alpha in zip(self.gates, experts, strict=True)])
        weights = torch.softmax(gates, dim=0)
        s = weights[0] * experts[0] + weights[1] * experts[1] + weights[2] * experts[2]
        return s + self.fuse(s)
