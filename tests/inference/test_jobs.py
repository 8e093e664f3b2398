"""Which files become which, and what counts as done."""

import os
from pathlib import Path

import pytest
from PIL import Image

from ssiu_arch.inference.jobs import Job, find_jobs, is_done
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.image_files import BadImage


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to run in, and how images come into it."""
    monkeypatch.chdir(tmp_path)

    def image(name, width=4, height=2):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (width, height)).save(name, {".dat": "PNG"}.get(Path(name).suffix))
        return Path(name)

    return image


def pairs(*inputs, out="out", suffix=None):
    return [(str(job.source), str(job.target)) for job in find_jobs(list(inputs), Path(out), suffix)]


def test_files_folders_and_patterns(folder):
    for name in ("a.png", "in/b.JPG", "in/deep/c.tiff", "in/.hidden.png", "in/.cache/d.png", "e1.bmp", "e2.bmp"):
        folder(name)
    Path("in/notes.txt").write_text("no image")
    assert pairs("a.png", "in", "e?.bmp") == [
        ("a.png", "out/a.png"),
        ("in/b.JPG", "out/b.JPG"),
        ("in/deep/c.tiff", "out/deep/c.tiff"),
        ("e1.bmp", "out/e1.bmp"),
        ("e2.bmp", "out/e2.bmp"),
    ]
    assert pairs("in/**/*.tiff") == [("in/deep/c.tiff", "out/c.tiff")]
    assert pairs("in", suffix=".webp") == [("in/b.JPG", "out/b.webp"), ("in/deep/c.tiff", "out/deep/c.webp")]


def test_a_file_whose_name_is_a_pattern(folder):
    folder("a[1].png")
    folder("a1.png")
    assert pairs("a[1].png") == [("a[1].png", "out/a[1].png")]


def test_a_file_that_is_named_twice_is_one(folder):
    folder("in/a.png")
    assert pairs("in", "in/a.png", "./in/../in/a.png", "in/*.png") == [("in/a.png", "out/a.png")]


def test_dots_in_names_stay(folder):
    folder("a.b.png")
    assert pairs("a.b.png", suffix=".jpg") == [("a.b.png", "out/a.b.jpg")]


@pytest.mark.parametrize("given", ["in", "in/**/*.png"])
def test_results_within_the_folder_of_the_images_are_none(folder, given):
    folder("in/a.png")
    folder("in/out/a.png")
    assert pairs(given, out="in/out") == [("in/a.png", "in/out/a.png")]


@pytest.mark.parametrize("given", ["in", "in/*.png"])
def test_results_may_go_above_the_folder_of_the_images(folder, given):
    folder("in/a.png")
    assert pairs(given, out=".") == [("in/a.png", "a.png")]


def test_one_image_and_the_name_of_its_result(folder):
    folder("a.png")
    assert pairs("a.png", out="b.jpg") == [("a.png", "b.jpg")]
    assert pairs("a.png", out="b.jpeg", suffix=".jpg") == [("a.png", "b.jpeg")]
    Path("c.png").mkdir()
    assert pairs("a.png", out="c.png") == [("a.png", "c.png/a.png")]


def test_a_dead_link_is_an_image_of_its_folder(folder):
    folder("in/a.png")
    Path("in/b.png").symlink_to("nowhere")
    assert [source for source, _ in pairs("in")] == ["in/a.png", "in/b.png"]


BAD = {
    "nothing there": (["none.png"], {}, r"none.png: no such file or folder \(the current folder is /.*\)"),
    "a link to nothing": (["dead.png"], {}, r"dead.png: no such file or folder"),
    "no image": (["notes.txt"], {}, r"notes.txt: does not end with .png, .jpg"),
    "a folder without images": (["empty"], {}, r"empty: holds no image \(.png, "),
    "a pattern without images": (["*.bmp"], {}, r"^\*.bmp: .*no image \(.png, "),
    "two of a name": (
        ["in/a.png", "a.png"],
        {},
        r"^in/a.png and a.png: .* out/a.png; .*two commands",
    ),
    "two of a stem": (["b.jpg", "b.webp"], {"suffix": ".png"}, r"^b.jpg and b.webp: .* out/b.png"),
    "the image itself": (["a.png"], {"out": "a.png"}, r"^a.png: .*input.*name another -o"),
    "its own folder": (["in"], {"out": "in"}, r"-o in: is the folder of the images; name another"),
    "the folder of files": (["a.png"], {"out": "."}, r"^a.png: .*input"),
    "the folder of a pattern": (["*.png"], {"out": "."}, r"^a.png: .*input"),
    "one name for two": (["a.png", "b.jpg"], {"out": "c.png"}, r"^-o c.png: .*name a folder"),
    "one name for a folder": (["in"], {"out": "c.png"}, r"^-o c.png: .*name a folder"),
    "another format": (["a.png"], {"out": "c.png", "suffix": ".jpg"}, r"-o c.png: does not end with .jpg, which --fo"),
    "a file for a folder": (
        ["a.png"],
        {"out": "notes.txt"},
        r"^-o notes.txt: .*notes.txt is not a folder",
    ),
    "a file above": (["a.png"], {"out": "notes.txt/x"}, r"notes.txt is not a folder"),
    "a folder for a result": (["a.png"], {"out": "full"}, r"^full/a.png: is a folder.* a.png .*name another -o"),
}


@pytest.mark.parametrize(("inputs", "options", "line"), BAD.values(), ids=BAD)
def test_bad_names_are_one_line(folder, inputs, options, line):
    for name in ("a.png", "in/a.png", "b.jpg", "b.webp"):
        folder(name)
    Path("empty").mkdir()
    Path("full/a.png").mkdir(parents=True)
    Path("notes.txt").write_text("no image")
    Path("dead.png").symlink_to("nowhere")
    with pytest.raises(UserError, match=line):
        pairs(*inputs, **options)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_must_not_be_written_to(folder):
    folder("a.png")
    Path("locked").mkdir(mode=0o500)
    with pytest.raises(UserError, match=r"^-o locked/x: .*locked is not writable"):
        pairs("a.png", out="locked/x")


class TestDone:
    def job(self, folder, width, height, age=0):
        job = Job(folder("a.png"), folder("out/a.png", width, height))
        os.utime(job.source, (1000, 1000))
        os.utime(job.target, (1000 - age, 1000 - age))
        return job

    def test_nothing_is_there(self, folder):
        assert not is_done(Job(folder("a.png"), Path("out/a.png")), 2)

    @pytest.mark.parametrize("size", [(8, 4), (4, 8)], ids=["as it is", "turned upright"])
    def test_a_result(self, folder, size):
        assert is_done(self.job(folder, *size), 2)

    def test_of_another_size(self, folder):
        with pytest.raises(BadImage, match=r"^out/a.png: .*16x8 .* a.png; --overwrite"):
            is_done(self.job(folder, 16, 8), 2)

    def test_older_than_the_image(self, folder):
        with pytest.raises(BadImage, match=r"^out/a.png: .*older than a.png; --overwrite"):
            is_done(self.job(folder, 8, 4, age=10), 2)

    def test_no_image(self, folder):
        job = self.job(folder, 8, 4)
        job.target.write_text("a diary")
        with pytest.raises(BadImage, match=r"^out/a.png: .*not an image; --overwrite"):
            is_done(job, 2)

    def test_a_result_of_more_pixels_than_pillow_opens(self, folder, monkeypatch):
        job = self.job(folder, 8, 4)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        assert is_done(job, 2)
