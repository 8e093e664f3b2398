"""What is drawn, and its colour scale."""

import io

import numpy as np
import pytest
from PIL import Image

from ssiu_arch.tools.lam.attribution import Attribution
from ssiu_arch.tools.lam.gradients import Patch
from ssiu_arch.tools.lam.picture import BAR, GAP, LINE, draw
from ssiu_arch.tools.lam.target import Target

LR = np.random.default_rng(0).integers(0, 256, (16, 12, 3), np.uint8)
HR = np.random.default_rng(1).integers(0, 256, (32, 24, 3), np.uint8)
MAP = np.zeros((3, 16, 12))
MAP[0, 3, 4], MAP[1, 5, 6] = 8, -2
ACROSS, DOWN = 8 * 24, 8 * 32  # 16 LR pixels to at least 256, in whole enlargements of the result: 8 times
RED, FRAME = (178, 10, 28), (0, 80, 200)


@pytest.fixture(scope="module", params=[None, HR], ids=["LR", "HR"])
def drawn(request):
    """The page, and its panels by column and row, for two networks."""
    target = Target(LR, request.param, 2, (0, 0, 12, 16), Patch(14, 16, 5))
    png = draw(target, [Attribution(name, MAP, 0, 1) for name in ("a", r"b $\bad$")])
    assert draw(target, [Attribution(name, MAP, 0, 1) for name in ("a", r"b $\bad$")]) == png
    page = np.array(Image.open(io.BytesIO(png)).convert("RGB"))

    def panel(column, row):
        left, top = GAP + column * (ACROSS + GAP), GAP + row * (DOWN + 2 * LINE + GAP)
        return page[top : top + DOWN, left : left + ACROSS].astype(int)

    return page, panel, request.param


def squares(panel, side):
    """The pixels of an image in ``panel``, each of which must be one square of ``side`` pixels; frames are left out."""
    cells = panel.reshape(DOWN // side, side, ACROSS // side, side, 3).swapaxes(1, 2)
    whole = np.ptp(cells, axis=(2, 3)).max(axis=2) == 0
    return cells[:, :, 0, 0], whole


def test_every_pixel_of_the_image_is_a_square_outside_the_frame(drawn):
    _, panel, hr = drawn
    image = LR.repeat(2, 0).repeat(2, 1) if hr is None else hr
    pixels, whole = squares(panel(0, 0), 8)
    np.testing.assert_array_equal(pixels[whole], image[whole])
    assert whole[16:21, 14:19].all()  # the patch, which the frame does not cover
    assert whole.sum() == whole.size - (7 * 7 - 5 * 5)


def test_the_frame_is_around_the_patch_of_every_panel(drawn):
    _, panel, _ = drawn
    for column, row in ((0, 0), (1, 0), (2, 0), (1, 1), (2, 1)):
        rows, columns = np.nonzero((panel(column, row) == FRAME).all(axis=2))
        assert (columns.min(), columns.max()) == (8 * 14 - 3, 8 * 19 + 2)
        assert (rows.min(), rows.max()) == (8 * 16 - 3, 8 * 21 + 2)


def test_a_map_is_red_by_the_root_of_the_share(drawn):
    _, panel, _ = drawn
    grey = 191 + LR.mean(axis=2).astype(np.uint8) // 4
    pixels, _ = squares(panel(1, 0), 16)
    np.testing.assert_allclose(pixels[3, 4], RED, atol=1)
    np.testing.assert_allclose(pixels[5, 6], (grey[5, 6] + np.array(RED)) / 2, atol=2)
    np.testing.assert_array_equal(pixels[0], grey[0, :, None].repeat(3, 1))


def test_the_area_has_the_image_s_colours_and_the_rest_none(drawn):
    _, panel, _ = drawn
    pixels, _ = squares(panel(2, 1), 16)
    np.testing.assert_array_equal(pixels[3, 4], LR[3, 4])
    np.testing.assert_array_equal(pixels[5, 6], LR[5, 6])
    assert (np.ptp(pixels[:3], axis=2) == 0).all()


def test_the_patch_is_shown_alone(drawn):
    _, panel, hr = drawn
    zoom = ACROSS // 5
    left = (ACROSS - 5 * zoom) // 2
    image = LR.repeat(2, 0).repeat(2, 1) if hr is None else hr
    expected = image[16:21, 14:19].repeat(zoom, 0).repeat(zoom, 1)
    np.testing.assert_array_equal(panel(0, 1)[: 5 * zoom, left : left + 5 * zoom], expected)


def test_the_colour_scale_goes_from_white_to_red(drawn):
    page, _, _ = drawn
    left = GAP + 3 * (ACROSS + GAP) + BAR // 2
    scale = page[GAP : GAP + DOWN, left].astype(int)
    np.testing.assert_allclose(scale[3], RED, atol=6)
    np.testing.assert_allclose(scale[-4], (255, 255, 255), atol=6)
    np.testing.assert_allclose(scale[DOWN // 2], (255 + np.array(RED)) / 2, atol=4)
