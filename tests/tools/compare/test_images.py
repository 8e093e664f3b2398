"""Which files belong to one image; what is read, its scores, where results differ."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_psnr, calculate_ssim

from ssiu_arch.data.bicubic import enlarge
from ssiu_arch.data.images import write_image
from ssiu_arch.data.resize import imresize
from ssiu_arch.tools.compare.images import Box, Files, Subject, find, most_different, read, scores
from ssiu_arch.utils.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Make empty files below a folder: ``folder("HR", "a.png", ...)``."""

    def folder(name, *files):
        for file in files:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / name

    return folder


@pytest.mark.parametrize("suffix", [None, "mine"])
def test_files_that_basicsr_writes_are_found(folder, tmp_path, suffix):
    from basicsr.models.sr_model import SRModel

    class Model:
        def __init__(self):
            path = {"visualization": str(tmp_path / "results/test_SSIU_x4/visualization")}
            self.opt = {"name": "test_SSIU_x4", "is_train": False, "path": path, "val": {"suffix": suffix}}
            self.lq = self.output = None

        def feed_data(self, data):
            self.lq = self.output = data

        def test(self):
            pass

        def get_current_visuals(self):
            return {"result": torch.zeros(1, 3, 4, 4)}

    class Loader(list):
        dataset = SimpleNamespace(opt={"name": "Set5"})

    loader = Loader({"lq_path": [f"LR/{name}x4.png"]} for name in ("baby", "bird"))
    SRModel.nondist_validation(Model(), loader, 0, None, True)
    hr = folder("HR", "baby.png", "bird.png", "head.png")
    images, left_out = find(hr, {"SSIU": tmp_path / "results"}, [], 4)
    end = suffix or "test_SSIU_x4"
    assert [(files.hr.stem, files.results["SSIU"].name) for files in images] == [
        (name, f"{name}x4_{end}.png") for name in ("baby", "bird")
    ]
    assert left_out == {"head": ["SSIU"]}


def test_the_longest_name_counts(folder):
    hr = folder("HR", "img.png", "img_1.png", "img_10.png")
    results = folder("x", "img_SSIU.png", "img_1_SSIU.png", "img_10x3_SSIU.png")
    images, _ = find(hr, {"x": results}, [], 3)
    assert {files.hr.stem: files.results["x"].name for files in images} == {
        "img": "img_SSIU.png",
        "img_1": "img_1_SSIU.png",
        "img_10": "img_10x3_SSIU.png",
    }


def test_a_name_of_another_scale_or_that_goes_on_otherwise_does_not_fit(folder):
    hr = folder("HR", "baby.png")
    results = folder("x", "babyx2.png", "baby2.png", "mybaby.png", "baby.txt", "Baby.png")
    with pytest.raises(UserError, match=r"x=.*: no images .* --scale"):
        find(hr, {"x": results}, [], 4)


def test_results_are_in_the_order_given(folder):
    hr = folder("HR", "baby.png")
    results = {"a": folder("a", "X2/babyx2.png", "X4/baby.png"), "b": folder("b", "baby_b.png")}
    ((files,), _) = find(hr / "baby.png", results, [], 4)
    assert [(name, path.name) for name, path in files.results.items()] == [("a", "baby.png"), ("b", "baby_b.png")]


def test_a_file_needs_no_name_that_fits(folder):
    hr, other = folder("HR", "baby.png"), folder("x", "anything.jpg")
    ((files,), _) = find(hr / "baby.png", {"x": other / "anything.jpg"}, [], 4)
    assert (files.hr.stem, files.results) == ("baby", {"x": other / "anything.jpg"})


def test_images_are_in_the_order_they_are_asked_for(folder):
    hr = folder("HR", "a.png", "b.png", "c.png")
    results = folder("x", "a.png", "b.png", "c.png")
    assert [files.hr.stem for files in find(hr, {"x": results}, ["c", "a"], 4)[0]] == ["c", "a"]
    assert [files.hr.stem for files in find(hr, {}, [], 4)[0]] == ["a", "b", "c"]


BAD = {
    "no HR": ("none", {}, [], r"HR .*none: no such file"),
    "no images": ("empty", {}, [], r"HR .*empty: no images"),
    "two images of a name": ("twice", {}, [], r"HR .*twice: two files are of the image a: a.jpg and a.png"),
    "no result": ("HR/a.png", {"x": "none"}, [], r"x=.*none: no such file"),
    "a file for a folder": ("HR", {"x": "x/a_x.png"}, [], r"a_x.png: is no folder, but HR is one: give a folder"),
    "no such image": ("HR", {}, ["d"], r"--image d: .*HR, which has a, b, c"),
    "several that fit": (
        "HR",
        {"x": "many"},
        [],
        r"x=.*many: two files .* image a: 1/a.png and 2/a_x.png; keep",
    ),
    "nothing in common": ("HR", {"x": "x", "y": "y"}, [], r"y=.*y: no file of a; it has files of b"),
    "an image that lacks one": ("HR", {"x": "x"}, ["a", "b"], r"x=.*x: no file of b; it has files of a"),
}


@pytest.mark.parametrize(("hr", "results", "images", "line"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_named(folder, tmp_path, hr, results, images, line):
    folder("HR", "a.png", "b.png", "c.png")
    folder("twice", "a.png", "a.jpg")
    folder("empty", "notes.txt")
    folder("x", "a_x.png")
    folder("y", "b_y.png")
    folder("many", "1/a.png", "2/a_x.png")
    with pytest.raises(UserError, match=line):
        find(tmp_path / hr, {name: tmp_path / path for name, path in results.items()}, images, 4)


@pytest.fixture
def files(photo, tmp_path):
    """``files(x=...)``: HR is ``photo``, the others are images as given."""

    def files(**results):
        for name, image in {"photo": photo, **results}.items():
            write_image(tmp_path / f"{name}.png", image)
        return Files(tmp_path / "photo.png", {name: tmp_path / f"{name}.png" for name in results})

    return files


@pytest.fixture
def subject(photo):
    hr = photo[:72, :92]
    noisy = np.random.default_rng(0).integers(-9, 10, hr.shape)
    return Subject("photo", hr, {"a": (hr + noisy).clip(0, 255).astype(np.uint8), "b": hr[::-1].copy()})


@pytest.mark.parametrize(("scale", "height", "width"), [(2, 74, 92), (3, 75, 93), (4, 72, 92)])
def test_hr_is_cropped_as_for_lr_and_bicubic_is_matlabs(files, photo, scale, height, width):
    hr = photo[:height, :width]
    read_in = read(files(x=hr), scale)
    assert np.array_equal(read_in.hr, hr)
    assert np.array_equal(read_in.results["x"], hr)
    assert list(read_in.results) == ["Bicubic", "x"]
    assert np.array_equal(read_in.results["Bicubic"], enlarge(imresize(hr, 1 / scale), scale))


def test_sizes_that_do_not_fit_are_named(files, photo):
    expected = r"HR .*photo\.png \(93x75\) at x4 requires"
    with pytest.raises(UserError, match=rf"^x=.*x\.png: is 93x75, but {expected} 92x72; .* --scale"):
        read(files(x=photo), 4)
    with pytest.raises(UserError, match=r"^HR .*photo\.png: is 93x75; SSIM at x40 needs at least 91x91 pixels"):
        read(files(), 40)


@pytest.mark.parametrize("scale", [2, 4])
def test_scores_of_the_image_are_basicsrs(subject, scale):
    for name, score in scores(subject, scale).items():
        image = subject.results[name]
        assert score.psnr == calculate_psnr(image, subject.hr, crop_border=scale, test_y_channel=True)
        assert score.ssim == calculate_ssim(image, subject.hr, crop_border=scale, test_y_channel=True)


def test_equal_images_score_without_end(subject):
    (score,) = scores(Subject("photo", subject.hr, {"x": subject.hr}), 4).values()
    assert (score.psnr, str(score)) == (float("inf"), "inf / 1.0000")


def test_crops_are_inside_of_hr(files):
    read(files(), 4, [Box(0, 0, 92, 72), Box(91, 71, 1, 1)])
    for crop in (Box(1, 0, 92, 72), Box(0, 1, 92, 72), Box(500, 500, 1, 1), Box(3, 3, 0, 4), Box(3, 3, 4, 0)):
        with pytest.raises(UserError, match=rf"--crop {crop}: .* outside photo, which is 92x72; give X Y WIDTH HEIGHT"):
            read(files(), 4, [crop])


def brute_force(images, scale, side):
    stack = np.stack(images).astype(float)
    spread = stack.var(axis=0).sum(axis=2)
    height, width = spread.shape
    squares = {
        (x, y): spread[y : y + side, x : x + side].sum()
        for y in range(scale, height - scale - side + 1)
        for x in range(scale, width - scale - side + 1)
    }
    return max(squares, key=squares.get)


def test_the_crop_chosen_is_where_results_differ_most(subject):
    assert most_different(subject, 4, 16) == (*brute_force(list(subject.results.values()), 4, 16), 16, 16)


def test_one_result_is_compared_with_hr(subject):
    alone = Subject("photo", subject.hr, {"Bicubic": subject.results["a"]})
    assert most_different(alone, 4, 16) == (*brute_force([subject.hr, subject.results["a"]], 4, 16), 16, 16)


def test_of_equal_squares_the_topmost_then_the_leftmost_is_chosen(photo):
    flat = np.full((40, 60, 3), 100, np.uint8)
    spots = flat.copy()
    for y, x in ((10, 30), (10, 50), (30, 12)):
        spots[y, x] = 103
    assert most_different(Subject("x", flat, {"a": flat, "b": spots}), 4, 5) == (26, 6, 5, 5)
    assert most_different(Subject("x", flat, {"a": flat, "b": flat}), 4, 64) == (4, 4, 32, 32)
