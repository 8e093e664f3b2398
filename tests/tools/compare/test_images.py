"""Which file is a result's; what is read, its scores, where results differ."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_psnr, calculate_ssim

from ssiu_arch.data.bicubic import enlarge
from ssiu_arch.data.images import write_image
from ssiu_arch.data.resize import imresize
from ssiu_arch.tools.compare.images import Box, most_different, read, result_file, scores
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
    found = result_file("SSIU", tmp_path / "results", tmp_path / "HR/baby.png", 4)
    assert found.name == f"babyx4_{suffix or 'test_SSIU_x4'}.png"


@pytest.mark.parametrize("file", ["baby.png", "X4/babyx4.jpg", "baby_SSIU.png", "babyx4_a_b.png"])
def test_the_one_file_of_a_folder_that_is_named_like_hr(folder, file):
    results = folder("x", file, "babyx2.png", "baby2.png", "mybaby.png", "baby.txt", "Baby.png", "bird.png")
    assert result_file("x", results, results / "HR/baby.png", 4) == results / file


def test_a_file_needs_no_name_that_fits(folder):
    file = folder("x", "anything.jpg") / "anything.jpg"
    assert result_file("x", file, file.parent / "HR/baby.png", 4) == file


BAD = {
    "nothing there": ("none", r"x=.*none: no such file"),
    "a name too long": ("n" * 300, r"x=.*n: no such file"),
    "no file of the image": ("other", r"x=.*other: 0 files .* like a.png: check --scale, or name the file"),
    "several": ("many", r"x=.*many: 2 files .* like a.png \(1/a.png, 2/a_x.png\): .*name the file"),
}


@pytest.mark.parametrize(("name", "line"), BAD.values(), ids=BAD)
def test_a_result_that_is_not_found_is_named(folder, tmp_path, name, line):
    folder("other", "b.png", "a.txt")
    folder("many", "1/a.png", "2/a_x.png")
    with pytest.raises(UserError, match=line):
        result_file("x", tmp_path / name, tmp_path / "HR/a.png", 4)


@pytest.fixture
def files(photo, tmp_path):
    """``files(x=...)``: HR is ``photo``, the others are images as given."""

    def files(**results):
        for name, image in {"photo": photo, **results}.items():
            write_image(tmp_path / f"{name}.png", image)
        return tmp_path / "photo.png", {name: tmp_path / f"{name}.png" for name in results}

    return files


@pytest.fixture
def subject(photo):
    hr = photo[:72, :92]
    noisy = np.random.default_rng(0).integers(-9, 10, hr.shape)
    return {"HR": hr, "a": (hr + noisy).clip(0, 255).astype(np.uint8), "b": hr[::-1].copy()}


@pytest.mark.parametrize(("scale", "height", "width"), [(2, 74, 92), (3, 75, 93), (4, 72, 92)])
def test_hr_is_cropped_as_for_lr_and_bicubic_is_matlabs(files, photo, scale, height, width):
    hr = photo[:height, :width]
    read_in = read(*files(x=hr), scale)
    assert np.array_equal(read_in["HR"], hr)
    assert np.array_equal(read_in["x"], hr)
    assert list(read_in) == ["HR", "Bicubic", "x"]
    assert np.array_equal(read_in["Bicubic"], enlarge(imresize(hr, 1 / scale), scale))


def test_sizes_that_do_not_fit_are_named(files, photo):
    expected = r"HR .*photo\.png \(93x75\) at x4 requires"
    with pytest.raises(UserError, match=rf"^x=.*x\.png: is 93x75, but {expected} 92x72; .* --scale"):
        read(*files(x=photo), 4)
    with pytest.raises(UserError, match=r"^HR .*photo\.png: is 93x75; SSIM at x40 needs at least 91x91 pixels"):
        read(*files(), 40)


@pytest.mark.parametrize("scale", [2, 4])
def test_scores_of_the_image_are_basicsrs(subject, scale):
    for name, score in scores(subject, scale).items():
        image = subject[name]
        assert score.psnr == calculate_psnr(image, subject["HR"], crop_border=scale, test_y_channel=True)
        assert score.ssim == calculate_ssim(image, subject["HR"], crop_border=scale, test_y_channel=True)


def test_equal_images_score_without_end(subject):
    (score,) = scores({"HR": subject["HR"], "x": subject["HR"]}, 4).values()
    assert (score.psnr, str(score)) == (float("inf"), "inf / 1.0000")


def test_crops_are_inside_of_hr(files):
    read(*files(), 4, [Box(0, 0, 92, 72), Box(91, 71, 1, 1)])
    for crop in (Box(1, 0, 92, 72), Box(0, 1, 92, 72), Box(500, 500, 1, 1), Box(3, 3, 0, 4), Box(3, 3, 4, 0)):
        with pytest.raises(UserError, match=rf"--crop {crop}: .* outside photo, which is 92x72; give X Y WIDTH HEIGHT"):
            read(*files(), 4, [crop])


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
    assert most_different(subject, 4, 16) == (*brute_force([subject["a"], subject["b"]], 4, 16), 16, 16)


def test_one_result_is_compared_with_hr(subject):
    alone = {"HR": subject["HR"], "Bicubic": subject["a"]}
    assert most_different(alone, 4, 16) == (*brute_force([*alone.values()], 4, 16), 16, 16)


def test_of_equal_squares_the_topmost_then_the_leftmost_is_chosen(photo):
    flat = np.full((40, 60, 3), 100, np.uint8)
    spots = flat.copy()
    for y, x in ((10, 30), (10, 50), (30, 12)):
        spots[y, x] = 103
    assert most_different({"HR": flat, "a": flat, "b": spots}, 4, 5) == (26, 6, 5, 5)
    assert most_different({"HR": flat, "a": flat, "b": flat}, 4, 64) == (4, 4, 32, 32)
