from fractions import Fraction
from math import ceil, floor

import cv2
import numpy as np
import pytest

from ssiu_arch.data.resize import imresize, mod_crop

SCALES = [Fraction(1, 2), Fraction(1, 3), Fraction(1, 4), Fraction(2), Fraction(3), Fraction(4), Fraction(3, 2)]


def matlab_pass(rows, scale, ties, top):
    """MATLAB's pass over the first axis of a list of rows, sample by sample, in fractions, indices from 1."""

    def keys(x):
        x = abs(x)
        if x <= 1:
            return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
        return -Fraction(1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2 if x <= 2 else Fraction(0)

    n, widen = len(rows), min(scale, Fraction(1))
    width = 4 / widen
    result = []
    for i in range(1, ceil(scale * n) + 1):
        u = Fraction(i) / scale + (1 - 1 / scale) / 2
        left = floor(u - width / 2)
        taps = [left + p for p in range(ceil(width) + 2)]
        weights = [keys(widen * (u - tap)) for tap in taps]
        mirrored = [*range(1, n + 1), *range(n, 0, -1)]
        sources = [mirrored[(tap - 1) % (2 * n)] - 1 for tap in taps]
        line = []
        for column in range(len(rows[0])):
            pairs = zip(weights, sources, strict=True)
            value = sum((w * rows[j][column] for w, j in pairs), Fraction(0)) / sum(weights)
            ties.append(value % 1 == Fraction(1, 2))
            line.append(min(top, max(0, floor(value + Fraction(1, 2)))))
        result.append(line)
    return result


def matlab(image, scale, ties):
    top = int(np.iinfo(image.dtype).max)
    rows = matlab_pass(image.tolist(), scale, ties, top)
    columns = matlab_pass([list(line) for line in zip(*rows, strict=True)], scale, ties, top)
    return np.array(columns, image.dtype).T


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", [(12, 12), (7, 13), (1, 5), (2, 3)])
def test_equals_matlabs_rule_applied_sample_by_sample_in_fractions(scale, shape):
    image = np.random.default_rng(shape[1]).integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(imresize(image, scale), matlab(image, scale, []))


def test_ties_round_half_up():
    ties = []
    image = np.random.default_rng(0).integers(0, 256, (24, 90)).astype(np.uint8)
    expected = matlab(image, Fraction(1, 2), ties)
    assert sum(ties) > 3
    np.testing.assert_array_equal(imresize(image, 1 / 2), expected)


@pytest.mark.parametrize("name", ["Set5", "Set14"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_published_lr_files_have_no_differing_sample(shared_benchmark, name, scale):
    files = sorted((shared_benchmark / name / "HR").glob("*.png"))
    assert files
    different = 0
    for path in files:
        hr = cv2.imread(str(path))
        lr = cv2.imread(str(shared_benchmark / name / "LR_bicubic" / f"X{scale}" / f"{path.stem}x{scale}.png"))
        different += np.count_nonzero(imresize(mod_crop(hr, scale), 1 / scale) != lr)
    assert different == 0


def test_impulse_response_at_one_half_is_the_widened_cubic():
    impulse = np.zeros((1, 24))
    impulse[0, 12] = 256
    rows = np.repeat(impulse, 24, axis=0)  # the pass over the height changes nothing
    assert imresize(rows, 1 / 2)[5, 3:10].tolist() == [0, -3, 29, 111, -9, 0, 0]
    assert imresize(rows[:, ::-1].copy(), 1 / 2)[5, 2:9].tolist() == [0, 0, -9, 111, 29, -3, 0]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_a_constant_image_stays_constant(scale, dtype):
    image = np.full((9, 17, 3), 201, dtype)
    assert (imresize(image, scale) == 201).all()


def test_integers_are_clipped_and_floats_are_not():
    edge = np.zeros((8, 16))
    edge[:, 8:] = 255
    assert imresize(edge, 2).min() < 0 < 255 < imresize(edge, 2).max()
    enlarged = imresize(edge.astype(np.uint8), 2)
    assert enlarged[0].tolist() == sorted(enlarged[0].tolist())  # overshoot cut off: no wrap-around


@pytest.mark.parametrize(("scale", "shape"), [(1 / 2, (4, 7)), (1 / 3, (3, 5)), (0.75, (6, 10)), (4, (28, 52))])
def test_the_size_is_rounded_up(scale, shape):
    assert imresize(np.zeros((7, 13, 3), np.uint8), scale).shape == (*shape, 3)


def test_channels_are_independent_and_their_number_is_free():
    image = np.random.default_rng(1).integers(0, 256, (20, 24, 40)).astype(np.uint8)  # 40: beyond OpenCV's transpose
    whole = imresize(image, 1 / 4)
    for channel in range(40):
        np.testing.assert_array_equal(whole[..., channel], imresize(image[..., channel], 1 / 4))


def test_a_view_gives_what_its_copy_gives_and_is_left_alone():
    image = np.random.default_rng(2).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    before = image.copy()
    view = image[3:31, 36:4:-1]
    np.testing.assert_array_equal(imresize(view, 1 / 4), imresize(view.copy(), 1 / 4))
    np.testing.assert_array_equal(image, before)


def test_blocks_do_not_show_in_a_long_image():
    image = np.random.default_rng(3).integers(0, 256, (120, 6)).astype(np.uint8)
    np.testing.assert_array_equal(imresize(image, 1 / 3), matlab(image, Fraction(1, 3), []))


@pytest.mark.parametrize("scale", [Fraction(1, 4), Fraction(4)])
def test_16_bit_is_exact_too(scale):
    image = np.random.default_rng(4).integers(0, 2**16, (24, 28)).astype(np.uint16)
    np.testing.assert_array_equal(imresize(image, scale), matlab(image, scale, []))


@pytest.mark.parametrize("scale", [Fraction(33, 100), Fraction(97, 100)])
def test_a_fraction_whose_weights_fit_no_integers_works_too(scale):
    assert (imresize(np.full((30, 30), 77, np.uint8), scale) == 77).all()
    ramp = np.repeat(np.arange(0.0, 200.0)[None], 9, axis=0)
    places = (np.arange(ceil(200 * scale)) + 0.5) / float(scale) - 0.5  # a straight line stays one, nearly
    np.testing.assert_allclose(imresize(ramp, scale)[0, 8:-8], places[8:-8], atol=0.02)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf"), "big", None, 0.12345678901])
def test_an_impossible_scale_is_refused_by_name(scale):
    with pytest.raises(ValueError, match=r"^scale "):
        imresize(np.zeros((4, 4), np.uint8), scale)


@pytest.mark.parametrize(
    "image", [[[1, 2]], np.zeros((4, 4), int), np.zeros(4), np.zeros((0, 4)), np.zeros((1, 2, 3, 4))]
)
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ValueError, match=r"^image "):
        imresize(image, 2)


def test_mod_crop_keeps_the_top_left_multiples():
    image = np.arange(7 * 9).reshape(7, 9)
    np.testing.assert_array_equal(mod_crop(image, 4), image[:4, :8])
    assert mod_crop(image, 1).shape == (7, 9)
