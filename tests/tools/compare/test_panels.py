"""The drawing kit."""

import numpy as np
import pytest
from PIL import ImageFont

from ssiu_arch.data.images import read_image
from ssiu_arch.tools.compare import panels
from ssiu_arch.tools.compare.panels import Label, Panel
from ssiu_arch.utils.errors import UserError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(width, height, colour):
    return np.full((height, width, 3), colour, np.uint8)


def bounds(page, colour):
    """Top, bottom, left, right of the pixels of a colour."""
    y, x = np.nonzero((page == colour).all(axis=2))
    return int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1


def test_every_pixel_becomes_a_square_of_its_colour(photo):
    large = panels.enlarged(photo, 3)
    assert large.shape == (225, 279, 3)
    for y, x in np.ndindex(3, 3):
        assert np.array_equal(large[y::3, x::3], photo)
    assert np.array_equal(panels.enlarged(photo, 1), photo)
    with pytest.raises(ValueError, match=r"factor \(0\) must be a whole number from 1"):
        panels.enlarged(photo, 0)


def test_reduced_keeps_the_mean_and_the_layout(photo):
    small = panels.reduced(photo, 31, 25)
    assert small.shape == (25, 31, 3)
    assert np.abs(small.mean(axis=(0, 1)) - photo.mean(axis=(0, 1))).max() < 1
    assert np.abs(small.astype(int) - photo[1::3, 1::3]).mean() < 12


def test_a_frame_lies_outside_of_its_box_and_changes_nothing_else(photo):
    framed = panels.outlined(photo, (20, 30, 12, 7), RED, 2)
    changed = np.zeros(photo.shape[:2], bool)
    changed[28:39, 18:34], changed[30:37, 20:32] = True, False
    assert (framed[changed] == RED).all()
    assert np.array_equal(framed[~changed], photo[~changed])


def test_a_frame_at_the_border_of_the_image_is_whole(photo):
    h, w = photo.shape[:2]
    framed = panels.outlined(photo, (0, 0, w, h), RED, 2)
    for side in (framed[:2], framed[-2:], framed[:, :2], framed[:, -2:]):
        assert (side == RED).all()
    assert np.array_equal(framed[2:-2, 2:-2], photo[2:-2, 2:-2])
    assert (panels.outlined(photo, (w - 1, h - 1, 1, 1), RED, 3)[-3:, -3:] == RED).all()


@pytest.mark.parametrize("box", [(-1, 0, 5, 5), (0, 0, 94, 5), (0, 71, 5, 5), (3, 3, 0, 5)])
def test_a_box_outside_of_the_image_is_refused(photo, box):
    with pytest.raises(ValueError, match=r"must lie inside the image \(93x75\)"):
        panels.outlined(photo, box)


def test_panels_of_different_sizes_are_aligned():
    rows = [
        [Panel(plain(60, 40, RED), ["a", "b"]), Panel(plain(30, 80, GREEN), ["a"])],
        [Panel(plain(20, 10, BLUE), ["a"])],
    ]
    page = panels.grid(rows, gap=10, margin=5)
    top, bottom, left, right = bounds(page, RED)
    assert (bottom - top, right - left, left) == (40, 60, 5)
    assert bounds(page, GREEN) == (5, 85, 75, 105)
    assert bottom == 85
    top, bottom, left, right = bounds(page, BLUE)
    assert (top, left, right) == (85 + 2 * panels.LINE + 10, 25, 45)
    assert page.shape == (bottom + panels.LINE + 5, 110, 3)


def test_labels_of_a_row_begin_on_one_line_and_widen_their_column(places):
    name = "a name that is wider than its panel"
    page = panels.grid([[Panel(plain(9, 5, RED), [name]), Panel(plain(9, 30, GREEN), [name])]])
    text = panels.written([name])
    at = places(page, text)
    assert at == [(30, 0), (30, panels.text_width(name) + panels.GAP)]
    assert bounds(page, RED)[2:] == ((text.shape[1] - 9) // 2, (text.shape[1] - 9) // 2 + 9)


def test_what_is_bold_has_more_ink_and_what_is_underlined_a_line():
    ink = {}
    for label in (Label("28.43"), Label("28.43", bold=True), Label("28.43", underlined=True)):
        ink[label.bold, label.underlined] = (panels.written([label], width=80) < 128).all(axis=2)
    plainly, bold, underlined = ink[False, False], ink[True, False], ink[False, True]
    assert bold.sum() > 1.3 * plainly.sum()
    added = underlined & ~plainly
    assert np.flatnonzero(added.any(axis=1)).tolist() == [panels.ABOVE + panels.LETTERS + 2]
    assert added.sum() == panels.text_width("28.43")


def test_a_label_has_its_colour():
    page = panels.written([Label("best", colour=(255, 0, 0))])
    assert (page[..., 0] == 255).all()
    assert page[..., 1].min() < 60


def test_what_the_letters_lack_is_a_question_mark():
    assert np.array_equal(panels.written(["caf\N{LATIN SMALL LETTER E WITH ACUTE}"]), panels.written(["caf?"]))


def test_an_old_pillow_has_letters_too(monkeypatch):
    with_sizes = ImageFont.load_default

    def load_default():
        return with_sizes(10)

    panels._font.cache_clear()
    monkeypatch.setattr(ImageFont, "load_default", load_default)
    assert panels.written(["28.43"]).min() < 100
    panels._font.cache_clear()


def test_a_picture_is_written_as_it_is_and_equally_each_time(photo, tmp_path):
    for name in ("a.png", "b.png"):
        panels.write_png(tmp_path / name, photo[..., ::-1])
    assert np.array_equal(read_image(tmp_path / "a.png"), photo)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_picture_that_cannot_be_written_is_one_line(photo, tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=r"folder\.png: cannot be written \("):
        panels.write_png(tmp_path / "folder.png", photo)
