"""The figure: its pixels are those of the images, its labels those of the scores."""

import numpy as np
import pytest

from ssiu_arch.tools.compare import figure
from ssiu_arch.tools.compare.figure import MARGIN, RED, enlarged, labelled
from ssiu_arch.tools.compare.images import Box, Score, scores

CROP, OTHER = Box(24, 12, 40, 30), Box(40, 20, 30, 40)


@pytest.fixture(scope="module")
def subject(photo):
    """Two results of one photograph, the second of them the better one."""
    noise = np.random.default_rng(0).integers(-20, 21, (72, 92, 3))
    hr = np.ascontiguousarray(photo[:72, :92])
    made = {"Noisy": hr + noise, "Good": hr + noise // 8, "Bicubic": hr + noise // 2}
    return {"HR": hr, **{name: image.clip(0, 255).astype(np.uint8) for name, image in made.items()}}


@pytest.fixture(scope="module")
def drawn(subject):
    """The page of one crop, with the scores of the whole image."""
    return figure.figure("photo", subject, scores(subject, 4), 4, [CROP])


def test_every_pixel_becomes_a_square_of_its_colour(photo):
    large = enlarged(photo, 3)
    for y, x in np.ndindex(3, 3):
        assert np.array_equal(large[y::3, x::3], photo[..., ::-1])


def test_the_crops_of_hr_and_every_result_are_in_the_figure_exactly(subject, drawn, places):
    at = {name: places(drawn, enlarged(CROP.of(image), 5)) for name, image in subject.items()}
    assert all(len(where) == 1 for where in at.values()), at
    (hr,), (noisy,), (good,), (bicubic,) = at.values()
    assert hr[0] == noisy[0] < good[0] == bicubic[0]
    assert hr[1] == good[1] < noisy[1] == bicubic[1]


def test_labels_are_the_scores_and_the_best_is_marked(subject, drawn, places):
    for name, score in scores(subject, 4).items():
        crop = enlarged(CROP.of(subject[name]), 5)
        assert len(places(drawn, labelled(crop, [name, str(score)], is_best=name == "Good"))) == 1, name


@pytest.mark.parametrize(
    ("psnr", "best"),
    [({"a": 31.004, "b": 30.996, "c": 30.0}, "ab"), ({"a": 30.0}, ""), ({"a": float("inf"), "b": 31.0}, "a")],
)
def test_the_highest_psnr_as_printed_is_marked_with_its_equals(subject, monkeypatch, psnr, best):
    marked = []
    real = figure.labelled
    monkeypatch.setattr(
        figure, "labelled", lambda *given, is_best=False: marked.extend(given[1][:is_best]) or real(*given)
    )
    some = dict.fromkeys(["HR", *psnr], subject["HR"])
    figure.figure("photo", some, {name: Score(value, 1 / value) for name, value in psnr.items()}, 4, [CROP])
    assert "".join(marked) == best


def test_the_best_is_bold_and_red():
    nothing = np.zeros((0, 80, 3), np.uint8)
    plain, best = (labelled(nothing, ["28.43"], is_best=is_best) for is_best in (False, True))
    assert (best == RED).all(axis=2).sum() > 1.3 * (plain == figure.INK).all(axis=2).sum() > 0


def test_the_overview_is_hr_with_a_frame_outside_the_crop(photo):
    hr = np.ascontiguousarray(photo[:72, :92])
    whole = enlarged(hr, 1)
    for crop in (CROP, Box(0, 0, 20, 30)):
        overview = figure.overview(hr, crop, 364)
        x, y, w, h = crop
        changed = (overview != whole).any(axis=2)
        inner = slice(max(3, y), y + h), slice(max(3, x), x + w)  # at the image's border the frame covers its edge
        assert not changed[inner].any()
        frame = overview[max(y - 3, 0) : y + h + 3, max(x - 3, 0) : x + w + 3].copy()
        frame[3:-3, 3:-3] = RED
        assert (frame == RED).all()
        changed[max(y - 4, 0) : y + h + 4, max(x - 4, 0) : x + w + 4] = False
        assert not changed.any()


@pytest.mark.parametrize(("count", "layout"), [(1, [2]), (2, [3]), (3, [2, 2]), (4, [3, 2]), (8, [5, 4])])
def test_four_crops_and_more_stand_in_two_rows(photo, places, count, layout):
    hr, crop = np.ascontiguousarray(photo[:72, :92]), Box(0, 0, 64, 64)
    results = {f"network {number}": np.full_like(hr, 20 * number + 7) for number in range(count)}
    found = dict.fromkeys(results, Score(30.0, 0.8))
    page = figure._panels({"HR": hr, **results}, crop, found, {})
    rows = {}
    for image in results.values():
        (at,) = places(page, enlarged(crop.of(image), 3))
        rows.setdefault(at[0], []).append(at[1])
    layout[0] -= 1  # HR
    assert [len(row) for row in rows.values()] == layout


def test_a_large_image_is_reduced_to_the_height_asked_for(photo):
    hr = np.tile(photo[:72, :92], (12, 10, 1))
    overview = figure.overview(hr, Box(100, 100, 50, 50), 400)
    assert overview.shape[:2] == (400, round(920 * 400 / 864))
    assert np.abs(overview.mean(axis=(0, 1)) - hr[..., ::-1].mean(axis=(0, 1))).max() < 2


def test_several_crops_are_blocks_one_below_the_other(subject, places):
    page = figure.figure("photo", subject, scores(subject, 4), 4, [CROP, OTHER])
    (first,), (second,) = (places(page, enlarged(crop.of(subject["HR"]), 5)) for crop in (CROP, OTHER))
    assert first[0] + 5 * CROP.height < second[0]
    assert first[1] <= second[1]


def test_the_page_has_a_margin_and_is_the_same_each_time(subject, drawn):
    for edge in (drawn[:MARGIN], drawn[-MARGIN:], drawn[:, :MARGIN], drawn[:, -MARGIN:]):
        assert (edge == 255).all()
    assert np.array_equal(figure.figure("photo", subject, scores(subject, 4), 4, [CROP]), drawn)
