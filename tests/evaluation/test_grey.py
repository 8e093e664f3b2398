"""Images stored with one channel: what scoring their grey value would make of them."""

import math

import cv2
import numpy as np
import pytest
from basicsr.metrics import calculate_ssim

from ssiu_arch.evaluation.grey import grey_score

PSNR = {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": True}
SSIM = {**PSNR, "type": "calculate_ssim"}


@pytest.fixture
def planes():
    rng = np.random.default_rng(0)
    gt = rng.integers(0, 256, (40, 50), np.uint8)
    return gt, np.clip(gt + rng.normal(0, 9, gt.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def images(planes):
    return {key: cv2.cvtColor(plane, cv2.COLOR_GRAY2BGR) for key, plane in zip(("img2", "img"), planes, strict=True)}


@pytest.fixture
def stored_grey(planes, tmp_path):
    cv2.imwrite(str(tmp_path / "bridge.png"), planes[0])
    return str(tmp_path / "bridge.png")


def test_psnr_of_the_grey_value_is_1_32_db_lower(images, stored_grey):
    from basicsr.metrics import calculate_psnr

    on_y = calculate_psnr(**images, crop_border=4, test_y_channel=True)
    difference = on_y - grey_score(images, PSNR, stored_grey)
    assert difference == pytest.approx(20 * math.log10(255 / 219), abs=1e-4)


def test_ssim_is_that_of_the_plane_itself(images, planes, stored_grey):
    expected = calculate_ssim(planes[1], planes[0], 4)
    assert grey_score(images, SSIM, stored_grey) == pytest.approx(expected, abs=1e-9)


def test_psnr_of_a_coloured_output_is_still_1_32_db_lower(images, stored_grey):
    from basicsr.metrics import calculate_psnr

    images["img"] = np.random.default_rng(1).integers(0, 256, images["img"].shape, np.uint8)
    on_y = calculate_psnr(**images, crop_border=4, test_y_channel=True)
    assert on_y - grey_score(images, PSNR, stored_grey) == pytest.approx(20 * math.log10(255 / 219), abs=1e-4)


def test_grey_stored_as_colour_is_no_exception(images, tmp_path):
    cv2.imwrite(str(tmp_path / "man.png"), images["img2"])
    assert grey_score(images, PSNR, str(tmp_path / "man.png")) is None


def test_colour_that_a_data_set_made_of_grey_is_no_exception(images, stored_grey):
    images["img2"][3, 4, 2] ^= 1
    assert grey_score(images, PSNR, stored_grey) is None


def test_in_an_lmdb_the_meta_file_tells(images, tmp_path):
    folder = tmp_path / "GT.lmdb"
    folder.mkdir()
    (folder / "meta_info.txt").write_text("baboon.png (40,50,3) 1\nbridge.png (40,50,1) 1\n")
    assert grey_score(images, PSNR, "bridge", str(folder)) is not None
    assert grey_score(images, PSNR, "baboon", str(folder)) is None


@pytest.mark.parametrize(
    "options", [{**PSNR, "test_y_channel": False}, {"type": "calculate_psnr"}, {**PSNR, "type": "calculate_niqe"}]
)
def test_metrics_to_which_it_makes_no_difference(images, stored_grey, options):
    assert grey_score(images, options, stored_grey) is None
