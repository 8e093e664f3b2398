"""The whole image at once, in operations that ``torch.compile`` and CUDA graphs can take."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ssiu_arch.inference.blocks import Parts, Stage


def whole(parts: Parts, image: Tensor) -> Tensor:
    """The result of ``image``, ``(B, 3, H, W)``, H and W multiples of 16: ``(B, 3, s H, s W)``, float32."""
    pixels = image.permute(0, 2, 3, 1).to(parts.head.weight.dtype)
    f_y = alpha = parts.head(bordered(pixels))
    experts = []
    for t, part in enumerate(parts.stages, 1):
        alpha = stage(part, alpha, f_y)
        if t in parts.experts:
            experts.append(alpha)
    x = parts.tail(parts.select(experts) + f_y)
    return x + F.interpolate(image, scale_factor=parts.upscale, mode="bilinear", align_corners=False)


def stage(part: Stage, alpha: Tensor, f_y: Tensor) -> Tensor:
    """One SSReM: ``alpha`` and ``f_y``, ``(B, H, W, C)``, to the next alpha."""
    a = part.norm(alpha)
    a_bordered = bordered(a)
    u = part.sparsity(a_bordered, plus=a) + f_y
    beta = part.similarity(a_bordered)

    e = attention(part, u)
    refined = part.centralise(bordered(u - beta + e), plus=beta)
    return part.ffn(bordered(refined), plus=refined)


def attention(part: Stage, u: Tensor) -> Tensor:
    """SAM or ESAM of ``u``, ``(B, H, W, C)``."""
    around = [0, 0, 1, 1, 1, 1]  # with zeros
    if part.spread is None:
        return part.attention(F.pad(u, around))
    active = torch.maximum(u[:, 0::2], u[:, 1::2])
    active = torch.maximum(active[:, :, 0::2], active[:, :, 1::2])
    spread = part.spread(bordered(part.attention(F.pad(active, around)))).permute(0, 3, 1, 2)
    return F.interpolate(spread, u.shape[1:3], mode="bilinear", align_corners=True).permute(0, 2, 3, 1)


def bordered(x: Tensor) -> Tensor:
    """``(B, H, W, C)`` with a reflected border of one pixel: ``(B, H + 2, W + 2, C)``."""
    return F.pad(x.permute(0, 3, 1, 2), [1, 1, 1, 1], mode="reflect").permute(0, 2, 3, 1)
