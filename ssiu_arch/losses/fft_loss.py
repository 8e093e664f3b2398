"""L1 loss between Fourier spectra, the second term of SSIU's objective.

Ni et al., IEEE TIP 34, 2025, Sec. IV-A: ``L = L1 + 0.01 * FFT-L1`` on HR patches of 64*s pixels a side.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

try:  # a copy in a fork's losses/ folder finds that fork's registry
    from ..utils.registry import LOSS_REGISTRY
except ImportError:
    from basicsr.utils.registry import LOSS_REGISTRY  # type: ignore[no-redef]

REDUCTIONS = ("none", "mean", "sum")


def fft_l1(pred: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """L1 distance of two images' spectra.

    ``mean(|F(pred) - F(target)|)`` over the real and imaginary parts together, ``F`` the real 2-D Fourier transform
    over the last two axes, not normalised. A coefficient sums over all pixels, so the loss grows with the patch: it
    about doubles with the side. A loss weight therefore belongs to one patch size.

    Args:
        pred: images, ``(..., H, W)``, range [0, 1], any floating type. Half precision is transformed in float32, since
            half-precision FFTs need sizes that are powers of two, and lose the small coefficients.
        target: images of the same shape.
        reduction: ``mean``, ``sum``, or ``none`` for every part, ``(..., H, W//2 + 1, 2)``.

    Returns:
        A scalar, or the parts; float32, or float64 for float64 images.

    Raises:
        ValueError: the shapes differ, or the reduction is unknown.
    """
    if pred.shape != target.shape:
        raise ValueError(f"pred {tuple(pred.shape)} and target {tuple(target.shape)} must have the same shape")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction ({reduction!r}) must be one of {', '.join(REDUCTIONS)}")
    precise = torch.promote_types(torch.promote_types(pred.dtype, target.dtype), torch.float32)
    difference = pred.to(precise) - target.to(precise)  # F is linear: F(pred) - F(target) = F(pred - target)
    parts = torch.view_as_real(torch.fft.rfft2(difference)).abs()
    return parts if reduction == "none" else getattr(parts, reduction)()


class FFTL1Loss(nn.Module):
    """``loss_weight * fft_l1(pred, target)``; ``fft_opt`` of ``SSIUModel``.

    Args:
        loss_weight: the paper's is 0.01, for HR patches of 64*s; see ``fft_l1`` for other sizes.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ValueError: the reduction is unknown.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction ({reduction!r}) must be one of {', '.join(REDUCTIONS)}")
        self.loss_weight = loss_weight
        self.reduction = reduction

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """``pred`` and ``target`` are ``(B, C, H, W)``, range [0, 1]."""
        return self.loss_weight * fft_l1(pred, target, self.reduction)


class L1FFTLoss(nn.Module):
    """The whole objective, ``loss_weight * (L1 + fft_weight * FFT-L1)``, as one loss.

    For BasicSR's own ``SRModel``, which has one pixel loss: name it in ``pixel_opt``. It is logged as ``l_pix``.

    Args:
        loss_weight: weight of the sum.
        fft_weight: weight of the FFT-L1 within it; the paper's.
        reduction: ``mean`` or ``sum``, for both terms.

    Raises:
        ValueError: the reduction is unknown.
    """

    def __init__(self, loss_weight: float = 1.0, fft_weight: float = 0.01, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction ({reduction!r}) must be mean or sum: the two terms have different shapes")
        self.loss_weight = loss_weight
        self.fft_weight = fft_weight
        self.reduction = reduction

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """``pred`` and ``target`` are ``(B, C, H, W)``, range [0, 1]."""
        l1 = F.l1_loss(pred, target, reduction=self.reduction)
        return self.loss_weight * (l1 + self.fft_weight * fft_l1(pred, target, self.reduction))


for _loss in (FFTL1Loss, L1FFTLoss):
    if _loss.__name__ not in LOSS_REGISTRY:
        LOSS_REGISTRY.register(_loss)
