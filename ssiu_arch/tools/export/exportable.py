"""SSIU in a form that torch's exporter takes with height and width left open: the same function."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import SAM, SSIU


class Exportable(nn.Module):
    """``net`` with padding and cropping in operations that ONNX computes alike; see ``SSIU``.

    Three things differ from ``SSIU.forward``, none of them in the result. The period of the reflection is a tensor,
    because the exporter has no remainder by an open size. Sizes are rounded up by dividing positive numbers, because
    the exporter rounds towards zero. ``narrow`` crops, because it exports as one slice of ``s*h`` by ``s*w``.

    Args:
        net: weights are shared with it, or with ``half`` copied.
        half: float16 weights and feature maps. The image, its interpolation and the sum of both stay float32, as in
            the optimised form.

    Shape: ``(B, C, h, w)`` to ``(B, C, s*h, s*w)``, both float32, any ``h, w >= 1``.
    """

    def __init__(self, net: SSIU, *, half: bool = False) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).half() if half else net
        self.eval()

    def forward(self, y: Tensor) -> Tensor:
        net = self.net
        padded = reflect_to_multiple(y, 2 * SAM.window)
        f_y = net.head(padded.to(net.head.weight.dtype))
        f_x = net.unfold(f_y)
        base = F.interpolate(padded, scale_factor=net.upscale, mode="bilinear", align_corners=False)
        x = net.tail(f_x + f_y).float() + base
        h, w = (net.upscale * side for side in y.shape[2:])
        return x.narrow(2, 0, h).narrow(3, 0, w)


def reflect_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Extend ``image``, ``(B, C, h, w)``, as the function of this name beside ``SSIU`` does."""
    for dim in (2, 3):
        size = image.shape[dim]
        there_and_back = torch.full((), 2 * size - 2, device=image.device).clamp(min=1)  # 1 for a single pixel
        index = torch.arange((size + multiple - 1) // multiple * multiple, device=image.device) % there_and_back
        image = image.index_select(dim, torch.minimum(index, there_and_back - index))
    return image
