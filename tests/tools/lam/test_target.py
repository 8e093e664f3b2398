"""The crop that networks see, and the patch in it."""

import numpy as np
import pytest

from ssiu_arch.data.resize import imresize
from ssiu_arch.tools.lam.target import target
from ssiu_arch.utils.errors import UserError

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 53, 3), np.uint8)
USUAL = {"is_hr": False, "scale": 2, "at": None, "patch": 6, "crop": 16}


def cut(image, x, y, width, height):
    return image[y : y + height, x : x + width]


@pytest.mark.parametrize("at", [(0, 0), (100, 74), (51, 33), (3, 70), (99, 1), (44, 45), None])
@pytest.mark.parametrize("crop", [8, 16, 17, 64])
def test_the_patch_of_the_crop_is_the_patch_of_the_whole(at, crop):
    found = target(IMAGE, **{**USUAL, "at": at, "crop": crop})
    np.testing.assert_array_equal(found.lr, cut(IMAGE, *found.crop))
    assert found.crop[2:] == (min(crop, 53), min(crop, 40))
    whole, part = (image.repeat(2, axis=0).repeat(2, axis=1) for image in (IMAGE, found.lr))
    expected = cut(whole, found.patch_of_whole.x, found.patch_of_whole.y, 6, 6)
    assert expected.shape == (6, 6, 3)
    np.testing.assert_array_equal(cut(part, found.patch.x, found.patch.y, 6, 6), expected)


def test_away_from_borders_the_patch_is_in_the_middle():
    found = target(IMAGE, **{**USUAL, "at": (50, 40)})  # LR columns 25 to 27, rows 20 to 22
    assert found.crop == (18, 13, 16, 16)
    assert found.patch == (14, 14, 6)


def test_without_a_place_the_patch_is_in_the_middle_of_the_result():
    assert target(IMAGE, **USUAL).patch_of_whole == (50, 37, 6)


def test_a_patch_across_lr_pixels_fits_a_crop_of_as_many():
    assert target(IMAGE, **{**USUAL, "at": (7, 9), "crop": 6, "patch": 10}).crop == (3, 4, 6, 6)
    with pytest.raises(UserError, match=r"--crop 5: smaller than the patch, .* 6 LR pixels"):
        target(IMAGE, **{**USUAL, "at": (7, 9), "crop": 5, "patch": 10})


def test_lr_is_made_of_the_whole_of_hr():
    found = target(IMAGE, **{**USUAL, "is_hr": True, "at": (30, 20), "crop": 8})
    lr = imresize(IMAGE[:, :52], 1 / 2)
    np.testing.assert_array_equal(found.lr, cut(lr, *found.crop))
    np.testing.assert_array_equal(found.hr, cut(IMAGE, *(2 * value for value in found.crop)))
    np.testing.assert_array_equal(cut(found.hr, *found.patch[:2], 6, 6), cut(IMAGE, 30, 20, 6, 6))


BAD = {
    "beyond the right": ({"at": (101, 0)}, "--at 101 0: .* 6x6 .* 106x80"),
    "beyond the bottom": ({"at": (0, 75)}, "--at 0 75: "),
    "a large patch": ({"patch": 81}, "--patch 81: .* 106x80"),
    "a small crop": ({"crop": 4}, "is 4x4 LR pixels, .* needs 5: give a larger"),
    "a tiny HR image": ({"is_hr": True, "scale": 54}, "--patch 6: .* 0x0"),
}


@pytest.mark.parametrize(("options", "line"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_said(options, line):
    with pytest.raises(UserError, match=line):
        target(IMAGE, **{**USUAL, **options})
