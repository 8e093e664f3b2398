"""Bicubic interpolation: the images it makes, and the known scores."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_psnr
from basicsr.utils import img2tensor

from ssiu_arch.data.bicubic import BICUBIC, bicubic_baseline, bicubic_images, enlarge, is_enlargeable
from ssiu_arch.data.images import read_image

PSNR = {"type": "calculate_psnr", "crop_border": 3, "test_y_channel": True}
SSIM = {**PSNR, "type": "calculate_ssim"}


def to_pair(low, high):
    return {key: img2tensor(image.astype(np.float32) / 255)[None] for key, image in (("lq", low), ("gt", high))}


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 10, 3), np.uint8), rng.integers(0, 256, (36, 30, 3), np.uint8)


def test_a_result_is_rounded_once_and_clipped(images):
    rounded, as_float = bicubic_images(to_pair(*images)), bicubic_images(to_pair(*images), as_float=True)
    np.testing.assert_array_equal(rounded["img2"], images[1])
    np.testing.assert_array_equal(rounded["img"], enlarge(images[0], 3))
    assert rounded["img"].dtype == np.uint8
    assert as_float["img"].min() < -1
    assert as_float["img"].max() > 256
    np.testing.assert_array_equal(rounded["img"], np.floor(as_float["img"].clip(0, 255) + 0.5))


def test_a_constant_stays_constant():
    assert (enlarge(np.full((9, 8, 3), 77, np.uint8), 4) == np.full((36, 32, 3), 77)).all()


def test_the_baseline_is_measured_once_image_by_image_with_each_metric(images):
    low, high = images
    model = SimpleNamespace(opt={"val": {"metrics": {"psnr": PSNR, "float": {**PSNR, "float_output": True}}}})
    found = bicubic_baseline(model, Loader([to_pair(low, high), to_pair(low[::-1], high)]))
    expected = [calculate_psnr(enlarge(lq, 3), high, 3, test_y_channel=True) for lq in (low, low[::-1])]
    assert found["psnr"] == pytest.approx(expected, abs=1e-12)
    assert found["float"][0] == calculate_psnr(
        **bicubic_images(to_pair(low, high), as_float=True), crop_border=3, test_y_channel=True
    )
    assert bicubic_baseline(model, Loader([])) is found  # kept with the model


class Loader(list):
    dataset = SimpleNamespace(opt={"name": "mine"})


@pytest.mark.parametrize(
    ("lq", "gt", "expected"),
    [
        ((1, 3, 8, 9), (1, 3, 16, 18), True),
        ((1, 3, 8, 9), (1, 3, 32, 36), True),
        ((1, 3, 8, 9), (1, 3, 8, 9), False),
        ((1, 3, 8, 9), (1, 3, 16, 27), False),
        ((1, 3, 8, 9), (1, 3, 17, 18), False),
        ((2, 3, 8, 9), (2, 3, 16, 18), False),
        ((1, 5, 3, 8, 9), (1, 5, 3, 16, 18), False),
    ],
)
def test_gt_must_be_a_multiple_of_lq(lq, gt, expected):
    assert is_enlargeable({"lq": torch.zeros(lq), "gt": torch.zeros(gt)}) is expected


def test_without_gt_there_is_nothing_to_enlarge():
    assert not is_enlargeable({"lq": torch.zeros(1, 3, 8, 9), "lq_path": ["a.png"]})


@pytest.mark.parametrize(("name", "scale"), [("Set5", 2), ("Set5", 3), ("Set5", 4), ("Set14", 4)])
def test_known_scores_of_the_published_files(shared_benchmark, name, scale):
    metrics = {metric: {**options, "crop_border": scale} for metric, options in (("psnr", PSNR), ("ssim", SSIM))}
    loader = Loader()
    for path in sorted((shared_benchmark / name / "HR").iterdir()):
        high, low = (
            read_image(path),
            read_image(shared_benchmark / name / f"LR_bicubic/X{scale}/{path.stem}x{scale}.png"),
        )
        loader.append(to_pair(low, high[: low.shape[0] * scale, : low.shape[1] * scale]))
    found = bicubic_baseline(SimpleNamespace(opt={"val": {"metrics": metrics}}), loader)
    assert np.mean(found["psnr"]) == pytest.approx(BICUBIC[name, scale][0], abs=6e-4)
    assert np.mean(found["ssim"]) == pytest.approx(BICUBIC[name, scale][1], abs=6e-5)
