"""The FFT-L1: its definition by a plain discrete Fourier transform, its growth with the patch, its types."""

import math

import pytest
import torch

from ssiu_arch.losses.fft_loss import FFTL1Loss, L1FFTLoss, fft_l1


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def spectrum(image):
    """The unnormalised half spectrum of (h, w) by the definition, one coefficient at a time."""
    h, w = image.shape
    rows, columns = torch.arange(h).double()[:, None], torch.arange(w).double()[None, :]
    parts = []
    for u in range(h):
        for v in range(w // 2 + 1):
            phase = -2 * math.pi * (u * rows / h + v * columns / w)
            parts += [(image * phase.cos()).sum(), (image * phase.sin()).sum()]
    return torch.stack(parts)


@pytest.mark.parametrize("size", [(4, 6), (5, 3), (6, 7)])
def test_is_its_definition(size):
    pred, target = torch.rand(2, *size, dtype=torch.float64).unbind()
    expected = (spectrum(pred) - spectrum(target)).abs().mean()
    torch.testing.assert_close(fft_l1(pred[None, None], target[None, None]), expected)


def test_zero_for_equal_images():
    x = torch.rand(2, 3, 8, 8)
    assert fft_l1(x, x).item() == 0


def test_of_a_constant_offset():
    c, h, w = 0.5, 6, 8  # only the coefficient at frequency zero differs, by c*h*w
    x = torch.rand(2, 3, h, w)
    expected = torch.tensor(c * h * w / (2 * h * (w // 2 + 1)))
    torch.testing.assert_close(fft_l1(x + c, x), expected)


def test_about_doubles_with_the_side():
    noise = torch.randn(8, 3, 128, 128)
    ratio = fft_l1(noise, torch.zeros_like(noise)) / fft_l1(noise[..., :64, :64], torch.zeros(8, 3, 64, 64))
    assert ratio.item() == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("side", [192, 48])  # the patches of x3; half-precision FFTs know powers of two only
def test_half_precision_is_computed_in_float32(dtype, side):
    pred, target = torch.rand(2, 1, 3, side, side).to(dtype).unbind()
    pred.requires_grad_()
    loss = fft_l1(pred, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, fft_l1(pred.detach().float(), target.float()))
    loss.backward()
    assert pred.grad.isfinite().all()
    assert pred.grad.any()


def test_under_autocast():
    layer, x = torch.nn.Conv2d(3, 3, 1), torch.rand(1, 3, 48, 48)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)
        loss = fft_l1(out, x)
    assert out.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, fft_l1(out.float(), x))


def test_double_precision_stays():
    assert fft_l1(torch.rand(1, 1, 4, 4).double(), torch.rand(1, 1, 4, 4).double()).dtype == torch.float64


def test_gradient_against_finite_differences():
    target = torch.rand(1, 1, 4, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda p: fft_l1(p, target), torch.rand(1, 1, 4, 5, dtype=torch.float64).requires_grad_()
    )


def test_reductions():
    pred, target = torch.rand(2, 2, 3, 6, 8).unbind()
    parts = fft_l1(pred, target, "none")
    assert parts.shape == (2, 3, 6, 5, 2)
    torch.testing.assert_close(fft_l1(pred, target, "sum"), parts.sum())
    torch.testing.assert_close(fft_l1(pred, target), parts.mean())


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"pred \(1, 3, 8, 8\) and target \(1, 3, 8, 9\)"):
        fft_l1(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9))
    with pytest.raises(ValueError, match=r"reduction \('max'\) must be one of none, mean, sum"):
        FFTL1Loss(reduction="max")
    with pytest.raises(ValueError, match=r"reduction \('none'\) must be mean or sum"):
        L1FFTLoss(reduction="none")


def test_modules_weigh_the_function():
    pred, target = torch.rand(2, 2, 3, 8, 8).unbind()
    l1, fft = (pred - target).abs().mean(), fft_l1(pred, target)
    torch.testing.assert_close(FFTL1Loss(loss_weight=0.01)(pred, target), 0.01 * fft)
    torch.testing.assert_close(L1FFTLoss()(pred, target), l1 + 0.01 * fft)
    torch.testing.assert_close(L1FFTLoss(2.0, 0.5)(pred, target), 2 * (l1 + 0.5 * fft))


def test_build_from_options():
    from basicsr.losses import build_loss

    assert build_loss({"type": "FFTL1Loss", "loss_weight": 0.01, "reduction": "mean"}).loss_weight == 0.01
    assert build_loss({"type": "L1FFTLoss", "loss_weight": 1.0, "fft_weight": 0.05}).fft_weight == 0.05
