"""What is drawn, and its colour scale."""

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")

from ssiu_arch.tools.lam.attribution import Attribution
from ssiu_arch.tools.lam.inputs import Patch, Target
from ssiu_arch.tools.lam.picture import draw

LR = np.random.default_rng(0).integers(0, 256, (16, 12, 3), np.uint8)
HR = np.random.default_rng(1).integers(0, 256, (32, 24, 3), np.uint8)
MAP = np.zeros((3, 16, 12))
MAP[0, 3, 4], MAP[1, 5, 6] = 8, -2
RED, GREY = (178, 10, 28), 191 + LR.mean(axis=2).astype(np.uint8) // 4


@pytest.fixture(scope="module", params=[None, HR], ids=["LR", "HR"])
def drawn(request):
    """The panels by row and column, and the colour scale, for two networks; the image shown."""
    target = Target(LR, request.param, 2, (0, 0, 12, 16), Patch(14, 16, 5))
    figure = draw(target, [Attribution(name, MAP, 0, 1) for name in ("a", r"b $\bad$")])
    figure.draw_without_rendering()
    *panels, scale = figure.axes
    return np.reshape(panels, (2, 3)), scale, LR if request.param is None else HR


def test_every_panel_shows_its_image_in_pixels_of_the_result(drawn):
    panels, _, image = drawn
    lit = np.where((MAP.sum(axis=0) != 0)[..., None], LR, GREY[..., None])
    for row, column, shown in ((0, 0, image), (1, 0, image), (0, 1, GREY), (0, 2, GREY), (1, 1, lit), (1, 2, lit)):
        first = panels[row, column].images[0]
        assert first.get_extent() == [0, 24, 32, 0]
        np.testing.assert_array_equal(first.get_array(), shown if shown.ndim == 3 else shown[..., None].repeat(3, 2))


def test_a_frame_lies_outside_the_patch_which_is_shown_alone_below_the_image(drawn):
    panels, _, _ = drawn
    for panel in panels.flat:
        (frame,) = panel.patches
        assert (frame.get_xy(), frame.get_width(), frame.get_height()) == ((12, 14), 9, 9)
    assert (panels[1, 0].get_xlim(), panels[1, 0].get_ylim()) == ((14, 19), (21, 16))


def test_a_map_is_red_by_the_root_of_the_share(drawn):
    heat = drawn[0][0, 1].images[1]
    shown = heat.cmap(heat.norm(heat.get_array()))
    np.testing.assert_allclose(shown[3, 4], [*(value / 255 for value in RED), 1], atol=0.01)
    assert shown[5, 6, 3] == pytest.approx(0.5, abs=0.01)  # a quarter of the largest
    assert (shown[:3, :, 3] == 0).all()


def test_labels_and_colour_scale(drawn):
    panels, scale, image = drawn
    said = [panel.get_xlabel() for panel in panels.flat]
    assert said[0] == f"{'LR' if image is LR else 'HR'}\nx2, LR 12x16"
    assert said[1].startswith("a\nDI ")
    assert said[2].startswith(r"b $\bad$")
    assert said[3:] == ["patch 5x5", *["area 2 pixels (1.0%)"] * 2]
    assert [text.get_text() for text in scale.get_yticklabels()][::5] == ["0%", "100%"]
