"""The figure: its pixels are those of the images, its labels those of the scores."""

import numpy as np
import pytest

from ssiu_arch.data.images import write_image
from ssiu_arch.tools.compare import figure
from ssiu_arch.tools.compare.figure import MARGIN, RED, enlarged, labelled
from ssiu_arch.tools.compare.images import Box, Files, Subject, most_different, read

CROP, OTHER = Box(24, 12, 40, 30), Box(40, 20, 30, 40)


@pytest.fixture(scope="module")
def files(photo, tmp_path_factory):
    """Two results of one photograph, the second of them the better one."""
    folder = tmp_path_factory.mktemp("files")
    noise = np.random.default_rng(0).integers(-20, 21, (72, 92, 3))
    hr = photo[:72, :92].astype(int)
    images = {"photo": photo, "Noisy": (hr + noise).clip(0, 255), "Good": (hr + noise // 8).clip(0, 255)}
    for name, image in images.items():
        write_image(folder / f"{name}.png", image.astype(np.uint8))
    return Files(folder / "photo.png", {name: folder / f"{name}.png" for name in ("Noisy", "Good")})


@pytest.fixture(scope="module")
def drawn(files):
    """The page and tables of one crop, with the scores of the whole image."""
    return figure.figure([files], 4, [CROP], 64)


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
    for name, image in subject.results.items():
        psnr = calculate_psnr(image, subject.hr, 4, test_y_channel=True)
        ssim = calculate_ssim(image, subject.hr, 4, test_y_channel=True)
        assert (name, [f"{psnr:.4f}", f"{ssim:.4f}"]) in table.rows
        crop = enlarged(CROP.of(image), 5)
        assert len(places(page, labelled(crop, [name, f"{psnr:.2f} / {ssim:.4f}"], is_best=name == "Good"))) == 1


def test_the_best_is_bold_and_red():
    nothing = np.zeros((0, 80, 3), np.uint8)
    plain, best = (labelled(nothing, ["28.43"], is_best=is_best) for is_best in (False, True))
    assert (best == RED).all(axis=2).sum() > 1.3 * (plain == figure.INK).all(axis=2).sum() > 0


@pytest.mark.parametrize(("results", "expected"), [((0, 3), {"a"}), ((3, 3), {"a", "b"}), ((9,), {"Bicubic"})])
def test_the_highest_psnr_is_marked_with_its_equals(photo, tmp_path, monkeypatch, results, expected):
    hr = photo[:72, :92]
    marked = []
    real = figure.labelled
    monkeypatch.setattr(
        figure, "labelled", lambda *given, is_best=False: marked.extend(given[1][:is_best]) or real(*given)
    )
    paths = {}
    for name, offset in zip("ab", results, strict=False):
        image = (hr.astype(int) + (offset if offset != 9 else 90)).clip(0, 255)
        write_image(tmp_path / f"{name}.png", image.astype(np.uint8))
        paths[name] = tmp_path / f"{name}.png"
    write_image(tmp_path / "hr.png", hr)
    figure.figure([Files(tmp_path / "hr.png", paths)], 4, [CROP], 64)
    assert set(marked) == expected
    marked.clear()
    figure.figure([Files(tmp_path / "hr.png", {})], 4, [CROP], 64)
    assert marked == []  # nothing to compare with


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
    crops = figure._crops(Subject("photo", hr, results), crop, {name: [name, "30.00 / 0.8"] for name in results}, set())
    rows = {}
    for image in results.values():
        (at,) = places(crops, enlarged(crop.of(image), 3))
        rows.setdefault(at[0], []).append(at[1])
    layout[0] -= 1  # HR
    assert [len(row) for row in rows.values()] == layout


def test_a_large_image_is_reduced_to_the_height_asked_for(photo):
    hr = np.tile(photo[:72, :92], (12, 10, 1))
    overview = figure.overview(hr, Box(100, 100, 50, 50), 400)
    assert overview.shape[:2] == (400, round(920 * 400 / 864))
    assert np.abs(overview.mean(axis=(0, 1)) - hr[..., ::-1].mean(axis=(0, 1))).max() < 2


def test_several_crops_and_images_are_blocks_one_below_the_other(files, photo, places, tmp_path):
    write_image(tmp_path / "tall.png", np.rot90(photo))
    write_image(tmp_path / "x.png", np.rot90(photo)[:92, :72])
    tall = Files(tmp_path / "tall.png", dict.fromkeys(files.results, tmp_path / "x.png"))
    page, tables = figure.figure([files, tall], 4, [CROP, OTHER], 64)
    wide_hr, tall_hr = (read(each, 4).hr for each in (files, tall))
    at = [places(page, enlarged(crop.of(hr), 5))[0] for hr in (wide_hr, tall_hr) for crop in (CROP, OTHER)]
    assert [y for y, _ in at] == sorted(y for y, _ in at)
    assert at[0][1] == at[2][1]  # crops begin on one line, whatever the shape of the image
    assert [table.title.partition(",")[0] for table in tables] == ["photo", "tall"]
    assert "24 12 40 30; 40 20 30 40" in tables[0].title


def test_without_a_crop_it_is_where_results_differ_most(files, places):
    subject = read(files, 4)
    crop = most_different(subject, 4, 24)
    page, (table,) = figure.figure([files], 4, [], 24)
    assert len(places(page, enlarged(crop.of(subject.hr), 8))) == 1
    assert str(crop) in table.title


def test_the_page_has_a_margin_and_is_the_same_each_time(files, drawn):
    page, _ = drawn
    for edge in (page[:MARGIN], page[-MARGIN:], page[:, :MARGIN], page[:, -MARGIN:]):
        assert (edge == 255).all()
    again, _ = figure.figure([files], 4, [CROP], 64)
    assert np.array_equal(again, page)
