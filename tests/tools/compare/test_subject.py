"""One image: what is read, its scores, which of them are marked, where results differ."""

import numpy as np
import pytest
from basicsr.metrics import calculate_psnr, calculate_ssim

from ssiu_arch.data.bicubic import enlarge
from ssiu_arch.data.images import write_image
from ssiu_arch.data.resize import imresize
from ssiu_arch.tools.compare.matching import Files
from ssiu_arch.tools.compare.subject import Box, Score, Subject, marks, most_different, read, scores
from ssiu_arch.utils.errors import UserError


@pytest.fixture
def files(photo, tmp_path):
    """``files(x=...)``: HR is ``photo``, the others are images as given."""

    def files(**results):
        for name, image in {"hr": photo, **results}.items():
            write_image(tmp_path / f"{name}.png", image)
        return Files("photo", tmp_path / "hr.png", {name: tmp_path / f"{name}.png" for name in results})

    return files


@pytest.fixture
def subject(photo):
    hr = photo[:72, :92]
    noisy = np.random.default_rng(0).integers(-9, 10, hr.shape)
    return Subject("photo", hr, {"a": (hr + noisy).clip(0, 255).astype(np.uint8), "b": hr[::-1].copy()})


@pytest.mark.parametrize(("scale", "height", "width"), [(2, 74, 92), (3, 75, 93), (4, 72, 92)])
def test_hr_is_cropped_as_for_lr_and_bicubic_is_matlabs(files, photo, scale, height, width):
    hr = photo[:height, :width]
    read_in = read(files(x=hr), scale)
    assert np.array_equal(read_in.hr, hr)
    assert np.array_equal(read_in.results["x"], hr)
    assert list(read_in.results) == ["Bicubic", "x"]
    assert np.array_equal(read_in.results["Bicubic"], enlarge(imresize(hr, 1 / scale), scale))


def test_sizes_that_do_not_fit_are_named(files, photo):
    expected = r"HR .*hr\.png \(93x75\) at x4 requires"
    with pytest.raises(UserError, match=rf"^x=.*x\.png: is 93x75, but {expected} 92x72; .* --scale"):
        read(files(x=photo), 4)
    with pytest.raises(UserError, match=r"^HR .*hr\.png: is 93x75; SSIM at x40 needs at least 91x91 pixels"):
        read(files(), 40)


@pytest.mark.parametrize("scale", [2, 4])
def test_scores_of_the_image_are_basicsrs(subject, scale):
    for name, score in scores(subject, scale).items():
        image = subject.results[name]
        assert score.psnr == calculate_psnr(image, subject.hr, crop_border=scale, test_y_channel=True)
        assert score.ssim == calculate_ssim(image, subject.hr, crop_border=scale, test_y_channel=True)


def test_equal_images_score_without_end(subject):
    (score,) = scores(Subject("photo", subject.hr, {"x": subject.hr}), 4).values()
    assert (score.psnr, str(score)) == (float("inf"), "inf / 1.0000")


def test_crops_are_inside_of_hr(files):
    read(files(), 4, [Box(0, 0, 92, 72), Box(91, 71, 1, 1)])
    for crop in (Box(1, 0, 92, 72), Box(0, 1, 92, 72), Box(500, 500, 1, 1), Box(3, 3, 0, 4), Box(3, 3, 4, 0)):
        with pytest.raises(UserError, match=rf"--crop {crop}: .* outside photo, which is 92x72; give X Y WIDTH HEIGHT"):
            read(files(), 4, [crop])


@pytest.mark.parametrize(
    ("psnr", "expected"),
    [
        ({"a": 30.0}, {"a": ""}),
        ({"a": 30.0, "b": 31.0}, {"a": "", "b": "best"}),
        ({"a": 30.0, "b": 32.0, "c": 31.0, "d": 29.0}, {"a": "", "b": "best", "c": "second", "d": ""}),
        ({"a": 31.004, "b": 30.996, "c": 30.0}, {"a": "best", "b": "best", "c": "second"}),
        ({"a": 31.0, "b": 30.004, "c": 29.996}, {"a": "best", "b": "second", "c": "second"}),
        ({"a": 30.0, "b": 30.0, "c": 30.0}, {"a": "best", "b": "best", "c": "best"}),
        ({"a": float("inf"), "b": 31.0, "c": 30.0}, {"a": "best", "b": "second", "c": ""}),
    ],
)
def test_the_highest_psnr_is_the_best_whatever_the_ssim(psnr, expected):
    assert marks({name: Score(value, 1 / value) for name, value in psnr.items()}) == expected


def brute_force(images, scale, side):
    stack = np.stack(images).astype(float)
    spread = stack.var(axis=0).sum(axis=2)
    height, width = spread.shape
    squares = {
        (x, y): spread[y : y + side, x : x + side].sum()
        for y in range(scale, height - scale - side + 1)
        for x in range(scale, width - scale - side + 1)
    }
    return max(squares, key=squares.get)


def test_the_crop_chosen_is_where_results_differ_most(subject):
    assert most_different(subject, 4, 16) == (*brute_force(list(subject.results.values()), 4, 16), 16, 16)


def test_one_result_is_compared_with_hr(subject):
    alone = Subject("photo", subject.hr, {"Bicubic": subject.results["a"]})
    assert most_different(alone, 4, 16) == (*brute_force([subject.hr, subject.results["a"]], 4, 16), 16, 16)


def test_of_equal_squares_the_topmost_then_the_leftmost_is_chosen(photo):
    flat = np.full((40, 60, 3), 100, np.uint8)
    spots = flat.copy()
    for y, x in ((10, 30), (10, 50), (30, 12)):
        spots[y, x] = 103
    assert most_different(Subject("x", flat, {"a": flat, "b": spots}), 4, 5) == (26, 6, 5, 5)
    assert most_different(Subject("x", flat, {"a": flat, "b": flat}), 4, 64) == (4, 4, 32, 32)
