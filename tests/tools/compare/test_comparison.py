"""The figure: its pixels are those of the images, its labels those of the scores."""

import numpy as np
import pytest

from ssiu_arch.data.images import write_image
from ssiu_arch.tools.compare import panels
from ssiu_arch.tools.compare.comparison import MARGIN, PAGE, Plan, block, compare
from ssiu_arch.tools.compare.matching import Files
from ssiu_arch.tools.compare.panels import Label
from ssiu_arch.tools.compare.subject import Box, Score, Subject, read, scores
from ssiu_arch.utils.errors import UserError

CROP = Box(24, 12, 40, 30)


@pytest.fixture
def files(photo, tmp_path):
    """Two results of one photograph, the second of them the better one."""
    noise = np.random.default_rng(0).integers(-20, 21, (72, 92, 3))
    hr = photo[:72, :92].astype(int)
    images = {
        "hr": photo,
        "Blurred": (hr + noise).clip(0, 255).astype(np.uint8),
        "Good": (hr + noise // 8).clip(0, 255).astype(np.uint8),
    }
    for name, image in images.items():
        write_image(tmp_path / f"{name}.png", image)
    return Files("photo", tmp_path / "hr.png", None, {name: tmp_path / f"{name}.png" for name in ("Blurred", "Good")})


def draw(images, plan):
    return compare(images, plan, lambda name: None)


def large(image, crop, factor):
    return panels.enlarged(crop.of(image)[..., ::-1], factor)


def test_the_crops_of_hr_and_every_result_are_in_the_figure_exactly(files, places):
    subject = read(files, 4)
    page, _ = draw([files], Plan(4, [CROP]))
    at = {name: places(page, large(image, CROP, 5)) for name, image in ({"HR": subject.hr} | subject.results).items()}
    assert all(len(where) == 1 for where in at.values()), at
    (hr,), (bicubic,), (blurred,), (good,) = at.values()
    assert hr[0] == bicubic[0] < blurred[0] == good[0]
    assert hr[1] == blurred[1] < bicubic[1] == good[1]


@pytest.mark.parametrize("by_crop", [False, True])
def test_labels_and_table_are_basicsrs_scores_and_the_best_is_marked(files, places, by_crop):
    from basicsr.metrics import calculate_psnr, calculate_ssim

    page, (table,) = draw([files], Plan(4, [CROP], by_crop=by_crop))
    subject = read(files, 4)
    hr = CROP.of(subject.hr) if by_crop else subject.hr
    emphasis = {"Good": {"bold": True, "colour": panels.BEST}, "Blurred": {}, "Bicubic": {}}
    psnr = {}
    for name, image in subject.results.items():
        shown, border = (CROP.of(image), 0) if by_crop else (image, 4)
        psnr[name] = calculate_psnr(shown, hr, border, test_y_channel=True)
        ssim = calculate_ssim(shown, hr, border, test_y_channel=True)
        assert (name, [f"{psnr[name]:.4f}", f"{ssim:.4f}"]) in table.rows
    second = sorted(psnr, key=psnr.get)[1]
    emphasis[second] = {"underlined": True}
    for name in subject.results:
        row = next(cells for row_name, cells in table.rows if row_name == name)
        score = Label(f"{float(row[0]):.2f} / {row[1]}", **emphasis[name])
        above = Label(name, emphasis[name].get("bold", False), colour=score.colour)
        (at,) = places(page, panels.written([score]))
        assert len(places(page, panels.written([above]))) == 1, name
        crop = places(page, large(subject.results[name], CROP, 5))[0]
        assert at[0] == crop[0] + 5 * CROP.height + panels.LINE
        assert 0 <= at[1] - crop[1] < 5 * CROP.width
    assert psnr["Good"] == max(psnr.values())


def test_the_caption_says_what_scores_are_of(files, places):
    words = "PSNR (dB) / SSIM of the {} on Y of YCbCr, a border of 4 pixels of the image left out."
    for by_crop, what in ((False, "whole image"), (True, "crop")):
        page, (table,) = draw([files], Plan(4, [CROP], by_crop=by_crop, factor=8))
        assert len(places(page, panels.written([words.format(what)]))) == 1
        assert what in table.title


def test_the_overview_is_hr_with_a_frame_around_the_crop(files):
    subject = read(files, 4)
    found = scores(subject, 4)
    overview = block(subject, CROP, found, 4, 5)[0].image
    shown = panels.enlarged(subject.hr[..., ::-1], 4)  # two rows are 364 pixels high
    x, y, w, h = (4 * value for value in CROP)
    assert np.array_equal(overview[y : y + h, x : x + w], shown[y : y + h, x : x + w])
    frame = overview[y - 3 : y + h + 3, x - 3 : x + w + 3].copy()
    frame[3:-3, 3:-3] = panels.BEST
    assert (frame == panels.BEST).all()
    assert np.array_equal(overview[: y - 4, :368], shown[: y - 4])


def test_a_large_image_is_reduced_to_the_height_of_the_crops(photo):
    hr = np.tile(photo[:72, :92], (12, 10, 1))
    subject = Subject("large", hr, {"Bicubic": hr, "x": hr, "y": hr})
    found = dict.fromkeys(subject.results, Score(30.0, 0.8))
    left, right = block(subject, Box(100, 100, 50, 50), found, 4, None)
    assert left.image.shape[0] == right.image.shape[0]
    assert left.image.shape[1] == round(920 * (right.image.shape[0] - 2 * panels.LINE) / 864)


@pytest.mark.parametrize(("count", "layout"), [(1, [2]), (2, [3]), (3, [2, 2]), (4, [3, 2]), (8, [3, 3, 3])])
def test_crops_stand_in_two_rows_and_the_page_stays_narrow(photo, places, count, layout):
    hr = np.ascontiguousarray(photo[:72, :92])
    results = {f"network {number}": np.full_like(hr, 20 * number + 7) for number in range(count)}
    found = {name: Score(30.0 + number, 0.8) for number, name in enumerate(results)}
    _, right = block(Subject("photo", hr, results), Box(0, 0, 64, 64), found, 4, None)
    rows = {}
    for image in results.values():
        (at,) = places(right.image, large(image, Box(0, 0, 64, 64), 3))
        rows.setdefault(at[0], []).append(at[1])
    layout[0] -= 1  # HR
    assert [len(row) for row in rows.values()] == layout
    assert right.image.shape[1] <= PAGE


def test_the_widest_page(files):
    page, _ = draw([files], Plan(4, [Box(0, 0, 92, 72)], factor=4))
    assert page.shape[1] <= PAGE
    with pytest.raises(
        UserError, match=r"--crop 0 0 92 72: enlarged 11 times it takes 1012 pixels across, the page has"
    ):
        draw([files], Plan(4, [Box(0, 0, 92, 72)], factor=11))


def test_several_crops_and_images_are_blocks_one_below_the_other(files, places):
    other = Files("other", files.hr, None, files.results)
    crops = [CROP, Box(50, 20, 30, 40)]
    page, tables = draw([files, other], Plan(4, crops))
    hr = read(files, 4).hr
    first, second = (places(page, large(hr, crop, 5)) for crop in crops)
    assert len(first) == len(second) == 2
    assert first[0] < second[0] < first[1] < second[1]
    assert [table.title.partition(",")[0] for table in tables] == ["photo", "other"]
    assert "24 12 40 30; 50 20 30 40" in tables[0].title
    for name in ("photo, x4", "other, x4"):
        assert len(places(page, panels.written([name]))) == 2
    by_crop = draw([files], Plan(4, crops, by_crop=True))[1]
    assert [table.title.split(", ")[1] for table in by_crop] == ["crop 24 12 40 30", "crop 50 20 30 40"]


def test_crops_of_images_of_other_shapes_begin_on_one_line(files, photo, places, tmp_path):
    write_image(tmp_path / "tall.png", np.rot90(photo))
    write_image(tmp_path / "x.png", np.rot90(photo)[:92, :72])
    tall = Files("tall", tmp_path / "tall.png", None, dict.fromkeys(files.results, tmp_path / "x.png"))
    page, _ = draw([files, tall], Plan(4, [CROP]))
    (upper,), (lower,) = (places(page, large(read(each, 4).results["Bicubic"], CROP, 5)) for each in (files, tall))
    assert upper[1] == lower[1]
    (wide,), (narrow,) = (places(page, panels.written([f"{name}, x4"])) for name in ("photo", "tall"))
    assert wide[0] < narrow[0]


def test_without_a_crop_it_is_where_results_differ_most(files, places):
    from ssiu_arch.tools.compare.subject import most_different

    subject = read(files, 4)
    crop = most_different(subject, 4, 24)
    page, (table,) = draw([files], Plan(4, side=24))
    assert len(places(page, large(subject.hr, crop, 8))) == 1
    assert f"crops shown: {crop})" in table.title


def test_the_page_has_a_margin_and_is_the_same_each_time(files):
    page, _ = draw([files], Plan(4, [CROP]))
    for edge in (page[:MARGIN], page[-MARGIN:], page[:, :MARGIN], page[:, -MARGIN:]):
        assert (edge == 255).all()
    assert np.array_equal(draw([files], Plan(4, [CROP]))[0], page)
