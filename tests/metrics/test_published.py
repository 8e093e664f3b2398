"""The authors' way of scoring: what it changes, and what not."""

import numpy as np
import pytest
from basicsr.metrics import calculate_metric, calculate_psnr, calculate_ssim

from ssiu_arch.data.bicubic import bicubic_images
from ssiu_arch.metrics import published
from ssiu_arch.metrics.published import calculate_psnr_published, calculate_ssim_published


@pytest.fixture(scope="module")
def textured():
    """A picture of strong texture and a noisy copy, BGR, uint8."""
    rng = np.random.default_rng(0)
    image = rng.integers(30, 220, (60, 70, 3))
    return [np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8) for noise in (0, 12)]


@pytest.fixture(scope="module")
def flat():
    """Two pictures of nothing but noise, a few levels strong, unlike each other."""
    rng = np.random.default_rng(0)
    return [(120 + rng.integers(0, 10, (60, 70, 3))).astype(np.uint8) for _ in range(2)]


def luma_at_4080(image):
    return image.astype(np.float64) @ np.array([24.966, 128.553, 65.481]) / 255 + 255 * 16


class TestPSNR:
    @pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
    def test_is_the_standard_one_on_y(self, textured, kind):
        img, gt = (image.astype(kind) for image in textured)
        standard = calculate_psnr(img, gt, 4, test_y_channel=True)
        assert calculate_psnr_published(img, gt, 4) == pytest.approx(standard, abs=1e-4)

    def test_of_equal_images_is_infinite(self, textured):
        assert calculate_psnr_published(textured[0], textured[0], 4) == float("inf")

    def test_floats_are_not_clamped(self, textured):
        gt = np.full((20, 20, 3), 255.0)
        over = calculate_psnr_published(gt + 10, gt, 0)
        assert over == pytest.approx(20 * np.log10(255 / (10 * 219 / 255)), abs=1e-3)


class TestSSIM:
    def test_of_strong_texture_is_the_formula_on_luma_shifted_to_4080(self, textured):
        shifted = [luma_at_4080(image)[4:-4, 4:-4, None] for image in textured]
        expected = calculate_ssim(*shifted, 0)
        assert calculate_ssim_published(*textured, 4) == pytest.approx(expected, abs=5e-4)

    def test_is_blind_to_brightness(self, textured):
        img, gt = textured[0], textured[0].astype(np.float64) + 40
        assert calculate_ssim(img.astype(np.float64), gt, 4, test_y_channel=True) < 0.98
        assert calculate_ssim_published(img, gt, 4) == pytest.approx(1, abs=1e-4)

    def test_takes_flat_parts_for_more_alike_than_they_are(self, flat):
        in_doubles = calculate_ssim(*(luma_at_4080(image)[..., None] for image in flat), 0)
        assert in_doubles == pytest.approx(0.91, abs=0.01)
        assert calculate_ssim_published(*flat, 0) - in_doubles == pytest.approx(0.003, abs=0.001)

    def test_taps_add_up_to_a_little_less_than_one(self):
        taps = published._TAPS.astype(np.float64)
        exact = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
        np.testing.assert_allclose(taps, exact / exact.sum(), rtol=3e-7)
        assert taps.sum() - 1 == pytest.approx(-3.0734e-8, rel=1e-4)
        np.testing.assert_array_equal(taps, taps[::-1])

    def test_smaller_than_the_window(self, textured):
        small = [image[:18] for image in textured]
        calculate_ssim_published(*(image[:19] for image in textured), 4)
        with pytest.raises(ValueError, match="10x62 without the border are smaller than SSIM's 11x11 window"):
            calculate_ssim_published(*small, 4)


@pytest.mark.parametrize("metric", [calculate_psnr_published, calculate_ssim_published])
class TestBoth:
    def test_is_registered_and_called_by_basicsr(self, metric, textured):
        options = {"type": metric.__name__, "crop_border": 4, "float_output": True}
        images = {"img": textured[0], "img2": textured[1]}
        assert calculate_metric(images, options) == metric(*textured, 4)

    def test_order_of_axes(self, metric, textured):
        turned = [image.transpose(2, 0, 1) for image in textured]
        assert metric(*turned, 4, input_order="CHW") == metric(*textured, 4)

    def test_border_is_left_out(self, metric, textured):
        img, gt = (image.copy() for image in textured)
        img[:4], img[-4:], img[:, :4], img[:, -4:] = 0, 0, 0, 0
        assert metric(img, gt, 4) == metric(*textured, 4)
        assert metric(img, gt, 3) != metric(textured[0], gt, 3)

    def test_what_it_refuses(self, metric, textured):
        with pytest.raises(ValueError, match="test_y_channel"):
            metric(*textured, 4, test_y_channel=False)
        with pytest.raises(ValueError, match=r"\(60, 70, 3\) and \(59, 70, 3\)"):
            metric(textured[0], textured[1][1:], 4)
        with pytest.raises(ValueError, match="three channels"):
            metric(textured[0][..., 0], textured[1][..., 0], 4)


def test_bicubic_on_set5_x4_scores_0_8150_their_way(set5):
    scores = []
    for pair in set5(4):
        rounded, as_float = bicubic_images(pair), bicubic_images(pair, as_float=True)
        scores.append(
            [
                calculate_ssim(**rounded, crop_border=4, test_y_channel=True),
                calculate_ssim_published(**rounded, crop_border=4),
                calculate_ssim_published(**as_float, crop_border=4),
            ]
        )
    means = np.mean(scores, axis=0)
    np.testing.assert_allclose(means, [0.81126, 0.81464, 0.81494], atol=2e-5)
    assert round(means[2] + 5e-5, 4) == 0.8150  # as the release rounds
