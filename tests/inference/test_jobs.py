"""Which files become which, and what counts as done."""

import os
from pathlib import Path

import pytest
from PIL import Image

from ssiu_arch.inference import jobs
from ssiu_arch.inference.jobs import RECORDS, Job, Records, find_jobs
from ssiu_arch.inference.photo import photo_size
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


def test_a_format_that_is_not_written_is_no_folder(folder):
    folder("a.png")
    with pytest.raises(UserError, match=r"-o a.GIF: .GIF is read"):
        pairs("a.png", out="a.GIF")


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


def test_what_is_left_out_of_a_folder_is_counted_in_a_line(folder):
    for name in ("in/a.png", "in/deep.png/b.png", "more/c.png"):
        folder(name)
    for name in ("in/notes.txt", "in/deep.png/more.txt", "in/README", "in/.hidden.txt"):
        Path(name).write_text("no image")
    Path("in/linked").symlink_to("../more")
    lines = []
    jobs = find_jobs(["in"], Path("in/out"), None, lines.append)
    assert [str(job.source) for job in jobs] == ["in/a.png", "in/deep.png/b.png"]
    (line,) = lines
    assert line.startswith("in: left out .txt (2, such as ")
    assert "linked folder (1, such as linked)" in line
    assert "file without ending (1, such as README)" in line
    assert "hidden" not in line


def test_links_in_a_circle_are_images_of_their_folder_that_cannot_be_read(folder):
    folder("in/a.png")
    Path("in/b.png").symlink_to("b.png")
    Path("in/up").symlink_to("..")
    first, second = find_jobs(["in"], Path("out"), None)
    assert (str(first.source), str(second.source)) == ("in/a.png", "in/b.png")
    with pytest.raises(BadImage, match=r"^in/b.png: cannot be read \(.*links"):
        photo_size(second.source)


@pytest.mark.parametrize("name", [300 * "a" + ".png", 300 * "b"])
def test_names_that_are_too_long_are_one_line(folder, name):
    folder("a.png")
    for inputs, out in (([name], "out"), (["a.png"], name)):
        with pytest.raises(UserError, match=r"name too long|no such file"):
            find_jobs(inputs, Path(out), None)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_read(folder):
    os.mkfifo("a.png")
    Path("link.png").symlink_to("a.png")
    for name in ("a.png", "link.png"):
        with pytest.raises(BadImage, match=f"^{name}: is a named pipe"):
            photo_size(Path(name))
    with pytest.raises(BadImage, match=r"^a.png: exists"):
        Records({}).is_done(Job(folder("b.png"), Path("a.png")))


class TestDone:
    """A result is done if the image, the options and its own bytes are those of its record."""

    made_with = {"weights": "5e31", "quality": 95}  # noqa: RUF012

    @pytest.fixture
    def job(self, folder):
        job = Job(folder("a.png", 4, 3), folder("out/a.png", 8, 6))
        self.record(job)
        return job

    def record(self, job):
        Records(self.made_with).add(job, job.target.read_bytes())

    def is_done(self, job, **options):
        return Records({**self.made_with, **options}).is_done(job)

    def test_nothing_is_there(self, folder):
        assert not self.is_done(Job(folder("a.png", 4, 3), Path("out/a.png")))

    def test_the_same_again(self, job):
        assert self.is_done(job)
        assert self.is_done(job, quality=50)  # which means nothing to a PNG
        os.utime(job.source, (2**32, 2**32))  # dated in the future
        assert self.is_done(job)

    def test_other_weights_options_or_pixels(self, job, folder):
        assert not self.is_done(job, weights="5e32")
        assert not self.is_done(job, tile=64)
        lossy = Job(job.source, folder("out/a.jpg", 8, 6))
        self.record(lossy)
        assert self.is_done(lossy)
        assert not self.is_done(lossy, quality=50)
        folder("a.png", 5, 3)
        assert not self.is_done(job)

    @pytest.mark.parametrize("now", [b"a diary", b""])
    def test_a_file_that_is_not_as_it_was_written_is_kept(self, job, now):
        data = job.target.read_bytes()
        job.target.write_bytes(now or data[:-1])
        with pytest.raises(BadImage, match=r"^out/a.png: exists, and is not as .*--overwrite"):
            self.is_done(job)

    def test_lines_that_are_cut_off_cost_their_own_result_alone(self, job):
        path = job.target.with_name(RECORDS)
        whole = path.read_bytes()
        path.write_bytes(b"\xff\n[]\n" + whole[:-20])
        with pytest.raises(BadImage):
            self.is_done(job)
        self.record(job)
        assert self.is_done(job)

    def test_a_folder_in_place_of_the_records_holds_none(self, job):
        path = job.target.with_name(RECORDS)
        path.unlink()
        path.mkdir()
        with pytest.raises(BadImage):
            self.is_done(job)

    def test_records_of_other_processes_are_seen(self, job, folder):
        ours, second = Records(self.made_with), Job(job.source, folder("out/b.png", 8, 6))
        assert ours.is_done(job)
        self.record(second)
        assert ours.is_done(second)

    def test_no_record_is_read_twice_whatever_else_is_in_the_folder(self, job, folder, monkeypatch):
        lines, loads = [], jobs.json.loads
        monkeypatch.setattr(jobs.json, "loads", lambda line: lines.append(line) or loads(line))
        records = Records(self.made_with)
        with open(job.target.with_name(RECORDS), "ab") as file:
            file.write(b'\n{"half of a line')  # that another process is writing
        for name in ("x", "y", "z"):
            with pytest.raises(BadImage):
                records.is_done(Job(job.source, folder(f"out/{name}.png")))
        self.record(job)
        assert records.is_done(job)
        assert len([line for line in lines if b"a.png" in line]) == 1
        second = Job(job.source, folder("out/b.png", 8, 6))
        self.record(second)
        assert records.is_done(second)
        assert len([line for line in lines if b"a.png" in line]) == 2  # recorded twice
