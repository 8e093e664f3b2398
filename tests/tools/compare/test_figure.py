"""The figure: its pixels are those of the images, its labels those of the scores."""

import numpy as np
import pytest

from ssiu_arch.data.images import write_image
from ssiu_arch.tools.compare import figure
from ssiu_arch.tools.compare.figure import MARGIN, PAGE, RED, Line, Plan, block, enlarged, text
from ssiu_arch.tools.compare.matching import Files
from ssiu_arch.tools.compare.subject import Box, Score, Subject, most_different, read
from ssiu_arch.utils.errors import UserError

CROP, OTHER = Box(24, 12, 40, 30), Box(40, 20, 30, 40)


@pytest.fixture(scope="module")
def files(photo, tmp_path_factory):
    """Two results of one photograph, the second of them the better one."""
    folder = tmp_path_factory.mktemp("files")
    noise = np.random.default_rng(0).integers(-20, 21, (72, 92, 3))
    hr = photo[:72, :92].astype(int)
    images = {"hr": photo, "Noisy": (hr + noise).clip(0, 255), "Good": (hr + noise // 8).clip(0, 255)}
    for name, image in images.items():
        write_image(folder / f"{name}.png", image.astype(np.uint8))
    return Files("photo", folder / "hr.png", {name: folder / f"{name}.png" for name in ("Noisy", "Good")})


@pytest.fixture(scope="module")
def drawn(files):
    """The page and tables of one crop, with the scores of the whole image."""
    return figure.figure([files], Plan(4, [CROP]))


def test_every_pixel_becomes_a_square_of_its_colour(photo):
    large = enlarged(photo, 3)
    for y, x in np.ndindex(3, 3):
        assert np.array_equal(large[y::3, x::3], photo[..., ::-1])


def test_the_crops_of_hr_and_every_result_are_in_the_figure_exactly(files, drawn, places):
    subject = read(files, 4)
    images = {"HR": subject.hr} | subject.results
    at = {name: places(drawn[0], enlarged(CROP.of(image), 5)) for name, image in images.items()}
    assert all(len(where) == 1 for where in at.values()), at
    (hr,), (bicubic,), (noisy,), (good,) = at.values()
    assert hr[0] == bicubic[0] < noisy[0] == good[0]
    assert hr[1] == noisy[1] < bicubic[1] == good[1]


def test_labels_and_table_are_basicsrs_scores_and_the_best_is_marked(files, drawn, places):
    from basicsr.metrics import calculate_psnr, calculate_ssim

    page, (table,) = drawn
    subject = read(files, 4)
    psnr, label = {}, {}
    for name, image in subject.results.items():
        psnr[name] = calculate_psnr(image, subject.hr, 4, test_y_channel=True)
        ssim = calculate_ssim(image, subject.hr, 4, test_y_channel=True)
        assert (name, [f"{psnr[name]:.4f}", f"{ssim:.4f}"]) in table.rows
        label[name] = f"{psnr[name]:.2f} / {ssim:.4f}"
    ranking = sorted(psnr, key=psnr.get, reverse=True)
    assert ranking[0] == "Good"
    for name, mark in zip(ranking, ("best", "second", ""), strict=True):
        score, above = Line(label[name], mark), Line(name, "best" if mark == "best" else "")
        ((top, left),) = places(page, text([score], score.width))
        assert len(places(page, text([above], above.width))) == 1, name
        crop = places(page, enlarged(CROP.of(subject.results[name]), 5))[0]
        assert top == crop[0] + 5 * CROP.height + figure.LINE
        assert crop[1] <= left < crop[1] + 5 * CROP.width


def test_marks_are_drawn():
    ink = {mark: text([Line("28.43", mark)], 80) for mark in ("", "best", "second")}
    dark = {mark: (page < 128).all(axis=2) for mark, page in ink.items()}
    assert np.flatnonzero((dark["second"] & ~dark[""]).any(axis=1)).tolist() == [figure.LETTERS + 4]
    assert (ink["best"] == RED).all(axis=2).sum() > 1.3 * (ink[""] == figure.INK).all(axis=2).sum() > 0


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


def test_a_large_image_is_reduced_to_the_height_of_the_crops(photo):
    hr = np.tile(photo[:72, :92], (12, 10, 1))
    subject = Subject("large", hr, {"Bicubic": hr, "x": hr, "y": hr})
    overview, lines, crops = block(
        subject, Box(100, 100, 50, 50), dict.fromkeys(subject.results, Score(30, 0.8)), Plan()
    )
    assert overview.shape[0] + len(lines) * figure.LINE == crops.shape[0]
    assert overview.shape[1] == round(920 * overview.shape[0] / 864)
    assert np.abs(overview.mean(axis=(0, 1)) - hr[..., ::-1].mean(axis=(0, 1))).max() < 2


@pytest.mark.parametrize(("count", "layout"), [(1, [2]), (2, [3]), (3, [2, 2]), (4, [3, 2]), (8, [3, 3, 3])])
def test_crops_stand_in_two_rows_and_the_page_stays_narrow(photo, places, count, layout):
    hr = np.ascontiguousarray(photo[:72, :92])
    results = {f"network {number}": np.full_like(hr, 20 * number + 7) for number in range(count)}
    found = {name: Score(30.0 + number, 0.8) for number, name in enumerate(results)}
    _, _, crops = block(Subject("photo", hr, results), Box(0, 0, 64, 64), found, Plan())
    rows = {}
    for image in results.values():
        (at,) = places(crops, enlarged(Box(0, 0, 64, 64).of(image), 3))
        rows.setdefault(at[0], []).append(at[1])
    layout[0] -= 1  # HR
    assert [len(row) for row in rows.values()] == layout
    assert crops.shape[1] <= figure.ROOM


def test_the_widest_page(files):
    page, _ = figure.figure([files], Plan(4, [Box(0, 0, 92, 72)]))
    assert page.shape[1] <= PAGE
    hr = np.zeros((8, 1012, 3), np.uint8)
    with pytest.raises(UserError, match=r"--crop 0 0 1012 8: enlarged 1 times it is 1012 .* smaller crop"):
        block(Subject("x", hr, {"Bicubic": hr}), Box(0, 0, 1012, 8), {"Bicubic": Score(30, 0.8)}, Plan())


def test_several_crops_and_images_are_blocks_one_below_the_other(files, photo, places, tmp_path):
    write_image(tmp_path / "tall.png", np.rot90(photo))
    write_image(tmp_path / "x.png", np.rot90(photo)[:92, :72])
    tall = Files("tall", tmp_path / "tall.png", dict.fromkeys(files.results, tmp_path / "x.png"))
    page, tables = figure.figure([files, tall], Plan(4, [CROP, OTHER]))
    wide_hr, tall_hr = (read(each, 4).hr for each in (files, tall))
    at = [places(page, enlarged(crop.of(hr), 5))[0] for hr in (wide_hr, tall_hr) for crop in (CROP, OTHER)]
    assert [y for y, _ in at] == sorted(y for y, _ in at)
    assert at[0][1] == at[2][1]  # crops begin on one line, whatever the shape of the image
    assert [table.title.partition(",")[0] for table in tables] == ["photo", "tall"]
    assert "24 12 40 30; 40 20 30 40" in tables[0].title
    for line in (Line("photo, x4"), Line("tall, x4")):
        assert len(places(page, text([line], line.width))) == 2


def test_without_a_crop_it_is_where_results_differ_most(files, places):
    subject = read(files, 4)
    crop = most_different(subject, 4, 24)
    page, (table,) = figure.figure([files], Plan(4, side=24))
    assert len(places(page, enlarged(crop.of(subject.hr), 8))) == 1
    assert str(crop) in table.title


def test_the_page_has_a_margin_and_is_the_same_each_time(files, drawn):
    page, _ = drawn
    for edge in (page[:MARGIN], page[-MARGIN:], page[:, :MARGIN], page[:, -MARGIN:]):
        assert (edge == 255).all()
    again, _ = figure.figure([files], Plan(4, [CROP]))
    assert figure.png(again) == figure.png(page)
