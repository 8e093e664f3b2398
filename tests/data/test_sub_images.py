from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssiu_arch.data.images import decode_image, write_image
from ssiu_arch.data.resize import imresize, mod_crop
from ssiu_arch.data.sources import from_file
from ssiu_arch.data.sub_images import Recipe, TooSmall, cut, starts
from ssiu_arch.utils.errors import UserError

SMALL = Recipe(size=48, step=24, smallest=24)


@given(length=st.integers(12, 3000), size=st.integers(1, 40), share=st.integers(1, 40))
def test_starts_lie_on_the_unit_cover_the_side_and_end_where_it_ends(length, size, share):
    size, step = 12 * size, 12 * min(share, size)
    places = starts(length, size, step, 12)
    usable = length // 12 * 12
    assert all(place % 12 == 0 for place in places)
    assert places == sorted(set(places))
    assert places[0] == 0
    if usable >= size:
        assert places[-1] + size == usable
        assert all(b - a <= step for a, b in pairwise(places))
        assert len(places) == -(-(usable - size) // step) + 1  # no more than needed
    else:
        assert places == [0]


@pytest.mark.parametrize(("height", "width"), [(101, 133), (48, 48), (47, 90), (59, 24), (120, 131)])
def test_every_hr_square_meets_its_lr_square(tmp_path, photo, height, width):
    hr = photo(height, width)
    write_image(tmp_path / "im.png", hr)
    tiles = cut(from_file(tmp_path / "im.png"), SMALL)
    keys = [tile.key for tile in tiles["HR"]]
    assert keys == [f"im_s{i:03d}" for i in range(1, len(keys) + 1)]
    tops = starts(height, 48, 24, 12)
    lefts = starts(width, 48, 24, 12)
    corners = [(top, left) for top in tops for left in lefts]
    for scale in (1, 2, 3, 4):
        output = tiles["HR" if scale == 1 else f"X{scale}"]
        whole = hr if scale == 1 else imresize(mod_crop(hr, scale), 1 / scale)
        assert [tile.key for tile in output] == keys
        for tile, (top, left) in zip(output, corners, strict=True):
            tall, wide = min(48, height // 12 * 12) // scale, min(48, width // 12 * 12) // scale
            part = whole[top // scale :, left // scale :][:tall, :wide]
            assert (tile.height, tile.width) == (tall, wide)
            np.testing.assert_array_equal(decode_image(tile.png, tile.key), part)


def test_an_image_too_small_for_a_patch_is_named(tmp_path, photo):
    write_image(tmp_path / "im.png", photo(23, 100))
    with pytest.raises(TooSmall, match=r"im\.png: 100x23 is too small for patches of 24 pixels"):
        cut(from_file(tmp_path / "im.png"), SMALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 100}, r"--size 100: must be a multiple of 12, such as 96"),
        ({"size": 96, "step": 10, "smallest": 96}, r"--step 10: must be a multiple of 12, such as 12"),
        ({"step": 480}, r"--step 480: above --size 288"),
        ({"size": 0}, r"--size 0"),
        ({"smallest": 500}, r"--smallest 500: must be from 1 to --size 288"),
        ({"scales": ()}, r"--scales"),
        ({"scales": (2, 2)}, r"--scales 2 2"),
        ({"scales": (2, 5)}, r"--scales 2 5"),
    ],
)
def test_a_recipe_that_does_not_fit_together_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        Recipe(**options)


def test_one_scale_needs_only_its_own_multiples():
    assert Recipe((4,), 256, 128, 256).unit == 4
