"""Which files belong to one image."""

from types import SimpleNamespace

import pytest
import torch

from ssiu_arch.tools.compare.matching import find
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
    assert [(files.name, files.results["SSIU"].name) for files in images] == [
        (name, f"{name}x4_{end}.png") for name in ("baby", "bird")
    ]
    assert left_out == {"head": ["SSIU"]}


def test_the_longest_name_counts(folder):
    hr = folder("HR", "img.png", "img_1.png", "img_10.png")
    results = folder("x", "img_SSIU.png", "img_1_SSIU.png", "img_10x3_SSIU.png")
    images, _ = find(hr, {"x": results}, [], 3)
    assert {files.name: files.results["x"].name for files in images} == {
        "img": "img_SSIU.png",
        "img_1": "img_1_SSIU.png",
        "img_10": "img_10x3_SSIU.png",
    }


def test_a_name_of_another_scale_or_that_goes_on_otherwise_does_not_fit(folder):
    hr = folder("HR", "baby.png")
    results = folder("x", "babyx2.png", "baby2.png", "mybaby.png", "baby.txt", "Baby.png")
    with pytest.raises(UserError, match=r"x=.*: no file matches .*\(baby\).* --scale"):
        find(hr, {"x": results}, [], 4)


def test_results_are_in_the_order_given(folder):
    hr = folder("HR", "baby.png")
    results = {"a": folder("a", "X2/babyx2.png", "X4/baby.png"), "b": folder("b", "baby_b.png")}
    ((files,), _) = find(hr / "baby.png", results, [], 4)
    assert [(name, path.name) for name, path in files.results.items()] == [("a", "baby.png"), ("b", "baby_b.png")]


def test_a_file_needs_no_name_that_fits(folder):
    hr, other = folder("HR", "baby.png"), folder("x", "anything.jpg")
    ((files,), _) = find(hr / "baby.png", {"x": other / "anything.jpg"}, [], 4)
    assert (files.name, files.results) == ("baby", {"x": other / "anything.jpg"})


def test_images_are_in_the_order_they_are_asked_for(folder):
    hr = folder("HR", "a.png", "b.png", "c.png")
    results = folder("x", "a.png", "b.png", "c.png")
    assert [files.name for files in find(hr, {"x": results}, ["c", "a"], 4)[0]] == ["c", "a"]
    assert [files.name for files in find(hr, {}, [], 4)[0]] == ["a", "b", "c"]


BAD = {
    "no HR": ("none", {}, [], r"HR .*none: no such file"),
    "no images": ("empty", {}, [], r"HR .*empty: no images"),
    "two images of a name": ("twice", {}, [], r"HR .*twice: two images are named a: a.jpg and a.png; rename"),
    "no result": ("HR", {"x": "none"}, [], r"x=.*none: no such file"),
    "a file for a folder": ("HR", {"x": "x/a_x.png"}, [], r"a_x.png: is a file, but HR is a folder: give a folder"),
    "no such image": ("HR", {}, ["d"], r"--image d: .*HR, which has a, b, c"),
    "several that fit": ("HR", {"x": "many"}, [], r"x=.*many: 2 files match the image a: 1/a.png, 2/a_x.png; give"),
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
