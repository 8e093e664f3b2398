"""SSIU in operations that ncnn has: the same function, for pnnx to convert at one size.

ncnn's arrays have four axes at most and no batch. The network cuts its windows by arrays of seven, and its selector
stacks the experts along a new first axis; here windows are cut by ``unfold`` and put back by ``fold``, which ncnn has
as layers, and the selector's softmax is written out.
"""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import ESAM, SAM, SSIU, MoEFS


class ForNcnn(nn.Module):
    """``net`` for pnnx; see ``SSIU``. It does no padding and no cropping: those are the caller's.

    Args:
        net: its weights are copied.

    Shape: ``(1, C, h, w)`` to ``(1, C, s*h, s*w)``, ``h`` and ``w`` multiples of 16; traced, of that size alone.
    """

    def __init__(self, net: SSIU) -> None:
        super().__init__()
        self.net = copy.deepcopy(net)
        num_feat = len(net.head.weight)
        stage: Any  # torch does not type what a ModuleList holds
        for stage in self.net.stages:
            form = UnfoldedESAM if isinstance(stage.attention, ESAM) else UnfoldedSAM
            attention = form(num_feat, stage.attention.num_head)
            attention.load_state_dict(stage.attention.state_dict())
            stage.attention = attention
        if self.net.selector is not None:
            selector = WrittenOutMoEFS(num_feat)
            selector.load_state_dict(self.net.selector.state_dict())
            self.net.selector = selector
        self.eval().requires_grad_(False)

    def forward(self, y: Tensor) -> Tensor:
        net = self.net
        f_y = net.head(y)
        base = F.interpolate(y, scale_factor=net.upscale, mode="bilinear", align_corners=False)
        return net.tail(net.unfold(f_y) + f_y) + base


class UnfoldedSAM(SAM):
    """SAM for one image, its windows cut by ``unfold`` and put back by ``fold``."""

    def forward(self, u: Tensor) -> Tensor:
        q, k, v = self.qkv(u).chunk(3, dim=1)
        q, k, v = self._cut(q, self.window, 0), self._cut(k, self.block, self.halo), self._cut(v, self.block, self.halo)
        scores = q @ (k + self._position()).transpose(-1, -2) * q.shape[-1] ** -0.5
        out = scores.softmax(dim=-1) @ v  # (N, h, P, d)
        columns = out.permute(1, 3, 2, 0).flatten(0, 2)[None]  # (1, C*P, N)
        return F.fold(columns, u.shape[2:], self.window, stride=self.window)

    def _cut(self, x: Tensor, side: int, padding: int) -> Tensor:
        """Blocks of ``side`` by ``side`` pixels, one for each window: ``(1, C, H, W)`` to ``(N, h, side*side, d)``."""
        columns = F.unfold(x, side, padding=padding, stride=self.window)
        return columns.reshape(self.num_head, -1, side**2, columns.shape[-1]).permute(3, 0, 2, 1)


class UnfoldedESAM(ESAM, UnfoldedSAM):
    """ESAM over ``UnfoldedSAM``."""


class WrittenOutMoEFS(MoEFS):
    """MoE-FS without stacking: the softmax by its definition."""

    def forward(self, experts: list[Tensor]) -> Tensor:
        gates = [gate(alpha) for gate, alpha in zip(self.gates, experts, strict=True)]
        highest = torch.maximum(torch.maximum(gates[0], gates[1]), gates[2])
        weights = [torch.exp(gate - highest) for gate in gates]
        weighted = [weight * alpha for weight, alpha in zip(weights, experts, strict=True)]
        s = (weighted[0] + weighted[1] + weighted[2]) / (weights[0] + weights[1] + weights[2])
        return s + self.fuse(s)
