"""``ssiu upscale``: from files to files, what is kept, what is skipped, and bad input."""

import os
import re
import socket
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import ssiu_arch
from ssiu_arch import SSIU
from ssiu_arch.inference import formats, upscaler
from ssiu_arch.inference.jobs import RECORDS
from ssiu_arch.inference.photo import read_photo
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import shipped as pretrained


@pytest.fixture
def folder(tmp_path, monkeypatch, sine_weights):
    """A folder to run in, with weights for x2."""
    monkeypatch.chdir(tmp_path)
    net = sine_weights(SSIU(upscale=2, num_feat=16, num_block=3))
    torch.save({"params": net.state_dict()}, "x2.pth")
    return tmp_path


@pytest.fixture
def upscale(folder, ssiu):
    return lambda *arguments: ssiu("upscale", *arguments, "--weights", "x2.pth", "--device", "cpu")


def image(name, width=6, height=4, channels=3, **options):
    """Random pixels in a file, and them."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(len(name)).integers(0, 256, (height, width, channels), np.uint8)
    Image.fromarray(samples.squeeze()).save(name, **options)
    return samples


def result(samples):
    return ssiu_arch.upscale(samples, "x2.pth")


def results(folder):
    return sorted(set(os.listdir(folder)) - {RECORDS})


def read(name):
    return np.asarray(Image.open(name))


def test_from_files_to_files(upscale):
    given = {"a.png": image("in/a.png"), "deep/b.png": image("in/deep/b.png", channels=4)}
    code, out, err = upscale("in", "-o", "out")
    assert (code, err) == (0, "")
    assert sorted(str(path.relative_to("out")) for path in Path("out").rglob("*.png")) == sorted(given)
    for name, samples in given.items():
        assert np.array_equal(read(f"out/{name}"), result(samples))
    assert re.findall(r"^\[\d/2\] (\S+) -> (\S+) 12x8 \d+\.\d s$", out, re.MULTILINE) == [
        (f"in/{name}", f"out/{name}") for name in given
    ]


def test_quiet_prints_errors_alone(upscale):
    image("in/a.png")
    Path("in/notes.txt").touch()
    assert upscale("in", "-o", "out")[2].startswith("ssiu upscale: in: left out .txt (1, such as notes.txt)")
    assert upscale("in", "-o", "new", "--quiet") == (0, "", "")
    Path("in/b.png").touch()
    code, out, err = upscale("in", "-o", "new", "--quiet")
    assert (code, out, err.count("\n")) == (1, "", 2)
    assert err.startswith("ssiu upscale: in/b.png: ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX names")
def test_every_name_is_printed_in_its_own_line(upscale):
    names = ["a\n\x1b[31m.png", "caf\udce9.png"]
    for name in names:
        image(f"in/{name}")
        Path(f"in/bad{name}").touch()
    code, out, err = upscale("in", "-o", "out")
    assert code == 1
    assert results("out") == sorted(names)
    assert [line.split()[1] for line in out.splitlines()] == [r"in/a\n\x1b[31m.png", r"in/caf\xe9.png"]
    assert (err.count("\n"), "\x1b" in err, "\udce9" in err) == (3, False, False)


@pytest.mark.parametrize(
    ("load", "given", "advised"), [(99, [], True), (99, ["--threads", "1"], False), (0, [], False)]
)
def test_threads_are_advised_at_a_terminal_whose_cores_are_busy(upscale, monkeypatch, load, given, advised):
    image("a.png")
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert ("--threads 1" in upscale("a.png", "-o", "out", *given)[2]) == advised


def test_mps_may_fall_back_to_the_cpu(upscale, ssiu, monkeypatch):
    monkeypatch.delenv("PYTORCH_ENABLE_MPS_FALLBACK", raising=False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    image("a.png")
    code, _, err = ssiu("upscale", "a.png", "-o", "out", "--weights", "x2.pth", "--device", "mps")
    assert (code, os.environ.pop("PYTORCH_ENABLE_MPS_FALLBACK")) == (2, "1")
    assert "--device mps" in err


def test_16_bit_stays(upscale):
    samples = np.random.default_rng(0).integers(0, 65536, (4, 6, 3), np.uint16)
    cv2.imwrite("a.png", samples[:, :, ::-1])
    assert upscale("a.png", "-o", "b.tiff")[0] == 0
    assert np.array_equal(read_photo(Path("b.tiff")).samples, result(samples))


def test_self_ensemble_and_tiles(upscale):
    samples = image("a.png", 70, 80)
    assert upscale("a.png", "-o", "b.png", "--self-ensemble", "--tile", "68", "--precision", "bf16")[0] == 0
    options = {"self_ensemble": True, "tile": 68, "precision": "bf16"}
    assert np.array_equal(read("b.png"), ssiu_arch.upscale(samples, "x2.pth", **options))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("target", ["b.jpg", "b.png", "b.tiff"])
def test_a_viewer_sees_the_result_upright(upscale, monkeypatch, orientation, target):
    """Enlarged by repeating pixels, a photo looks as before, whichever way it is stored."""
    monkeypatch.setattr(upscaler.Upscaler, "__call__", lambda self, x, advance=None: x.repeat(2, 0).repeat(2, 1))
    corner = np.zeros((32, 48, 3), np.uint8)
    corner[:16, :16] = 255
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(corner).save("a.jpg", exif=exif, quality=100)
    assert upscale("a.jpg", "-o", target)[0] == 0
    with Image.open("a.jpg") as before, Image.open(target) as after:
        seen = ImageOps.exif_transpose(before)
        expected = np.asarray(seen).repeat(2, 0).repeat(2, 1)
        if target != "b.jpg":
            assert after.getexif().get(274, 1) == 1
        assert np.abs(np.asarray(ImageOps.exif_transpose(after)).astype(int) - expected).max() < 20


def test_formats_by_option_and_by_name(upscale):
    for name in ("in/a.JPG", "in/b.bmp"):
        image(name)
    assert upscale("in", "-o", "out", "--format", "webp", "--quality", "80")[0] == 0
    assert [Image.open(path).format for path in sorted(Path("out").glob("*.webp"))] == ["WEBP", "WEBP"]
    assert upscale("in", "-o", "same")[0] == 0
    assert {path.name: Image.open(path).format for path in Path("same").glob("[ab].*")} == {
        "a.JPG": "JPEG",
        "b.bmp": "BMP",
    }


class TestASecondRun:
    def test_does_what_is_left(self, upscale):
        image("in/a.png")
        upscale("in", "-o", "in/out")
        before = Path("in/out/a.png").stat().st_mtime_ns
        image("in/b.png")
        code, out, _ = upscale("in", "-o", "in/out")
        assert code == 0
        assert out.startswith("1 of 2 done already\n[1/1] in/b.png -> in/out/b.png")
        assert Path("in/out/a.png").stat().st_mtime_ns == before
        assert results("in/out") == ["a.png", "b.png"]

    def test_redoes_what_other_weights_or_options_made(self, upscale, sine_weights):
        samples = image("in/a.png")
        upscale("in", "-o", "out")
        net = sine_weights(SSIU(upscale=2, num_feat=16, num_block=3))
        torch.save({"params": {name: value / 2 for name, value in net.state_dict().items()}}, "x2.pth")
        for options in ([], ["--self-ensemble"], ["--precision", "bf16"]):
            before = Path("out/a.png").read_bytes()
            code, out, _ = upscale("in", "-o", "out", *options)
            assert (code, out.count("\n")) == (0, 2)
            assert "1 of 1 made with another image, weights or options" in out
            assert Path("out/a.png").read_bytes() != before
            assert "1 of 1 done already" in upscale("in", "-o", "out", *options)[1]
        assert np.array_equal(read("out/a.png"), ssiu_arch.upscale(samples, "x2.pth", precision="bf16"))

    def test_overwrites_when_told(self, upscale):
        samples = image("a.png")
        image("out/a.png", 1, 1)
        assert upscale("a.png", "-o", "out", "--overwrite")[0] == 0
        assert np.array_equal(read("out/a.png"), result(samples))

    def test_keeps_what_is_in_the_way(self, upscale):
        image("a.png")
        image("b.png")
        Path("out").mkdir()
        Path("out/a.png").write_bytes(b"a diary")
        code, out, err = upscale("a.png", "b.png", "-o", "out")
        assert code == 1
        assert re.fullmatch("ssiu upscale: out/a.png: .*--overwrite.*\nssiu upscale: 1 of 2 images failed\n", err)
        assert Path("out/a.png").read_bytes() == b"a diary"
        assert "b.png -> out/b.png" in out


def test_bad_files_are_a_line_each_and_the_rest_goes_on(upscale, monkeypatch):
    monkeypatch.setattr(formats, "LARGEST", {"JPEG": 100})
    image("in/good.png")
    image("in/long.jpg", 51, 2)
    image("in/e.png")
    data = Path("in/e.png").read_bytes()
    Path("in/cut.png").write_bytes(data[: len(data) - 30])
    Path("in/empty.png").touch()
    Path("in/text.png").write_text("hello")
    Path("in/link.png").symlink_to("nowhere")
    code, _, err = upscale("in", "-o", "out")
    assert code == 1
    lines = err.splitlines()
    assert lines[-1] == "ssiu upscale: 5 of 7 images failed"
    said = {line.split(": ")[1]: line for line in lines[:-1]}
    assert sorted(said) == [f"in/{name}" for name in ("cut.png", "empty.png", "link.png", "long.jpg", "text.png")]
    assert "is truncated" in said["in/cut.png"]
    assert re.search("102 .*JPEG.* 100", said["in/long.jpg"])
    assert results("out") == ["e.png", "good.png"]


@pytest.mark.parametrize(("channels", "dtype", "line"), [(4, np.uint8, "alpha"), (3, np.uint16, "16")])
def test_what_jpeg_does_not_hold(upscale, channels, dtype, line):
    cv2.imwrite("a.png", np.zeros((3, 4, channels), dtype))
    code, _, err = upscale("a.png", "-o", "a.jpg")
    assert code == 1
    assert re.match(f"ssiu upscale: a.png: .*{line}.*JPEG.*--format png", err)
    assert not Path("a.jpg").exists()


def test_a_result_beyond_memory(upscale, monkeypatch):
    image("a.png")
    image("b.png", 1, 1)
    monkeypatch.setattr(upscaler, "free_memory", lambda device: 200)
    code, _, err = upscale("a.png", "b.png", "-o", "out")
    assert code == 1
    assert re.match(r"ssiu upscale: a.png: 6x4 pixels at x2 .* 200 bytes ", err)
    assert results("out") == ["b.png"]


def test_memory_that_runs_out_on_the_way(upscale, monkeypatch):
    def run_out(self, image, advance=None):
        raise MemoryError

    image("a.png")
    monkeypatch.setattr(upscaler.Upscaler, "__call__", run_out)
    code, _, err = upscale("a.png", "-o", "out")
    assert code == 1
    assert re.match("ssiu upscale: a.png: .*--tile 256", err)


def test_an_interruption_leaves_whole_files_alone(upscale, monkeypatch):
    def interrupted(self, image, advance=None):
        if image.shape[1] == 7:
            raise KeyboardInterrupt
        return image.repeat(2, 0).repeat(2, 1)

    image("in/a.png")
    image("in/b.png", 7)
    monkeypatch.setattr(upscaler.Upscaler, "__call__", interrupted)
    code, _, err = upscale("in", "-o", "out")
    assert code == 130
    assert "ssiu upscale: interrupted" in err
    assert results("out") == ["a.png"]


def test_two_processes_share_the_files(folder, python):
    for n in range(4):
        image(f"in/{n}.png")
    Path("in/0.png").write_bytes(b"no image")  # of the first process, which then waits for the second
    run = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    script = folder / "run.py"
    script.write_text("import sys\nfrom ssiu_arch.cli.main import ssiu\nsys.exit(ssiu())\n")
    done = python(*run, script, "upscale", "in", "-o", "out", "--weights", "x2.pth", "--device", "cpu", cwd=folder)
    assert done.returncode == 1, done.stderr
    assert results("out") == ["1.png", "2.png", "3.png"]
    assert sorted(re.findall(r"in/\d.png -> out/\d.png", done.stdout)) == [
        f"in/{n}.png -> out/{n}.png" for n in (1, 2, 3)
    ]


BAD = {
    "no input": ([], r"the following arguments are required: INPUT"),
    "no output": (["a.png"], r"the following arguments are required: -o/--out; see ssiu upscale --help"),
    "nothing there": (["none.png", "-o", "out"], r"none.png: no such file or folder"),
    "no images": (["empty", "-o", "out"], r"empty: holds no image"),
    "the image itself": (["a.png", "-o", "a.png"], r"a.png: .*input.*name another -o"),
    "a file for a folder": (["a.png", "-o", "notes.txt"], r"notes.txt is not a folder"),
    "no such weights": (["a.png", "-o", "out", "--weights", "none.pth"], r"none.pth: .*no such file"),
    "weights that are none": (["a.png", "-o", "out", "--weights", "notes.txt"], r"notes.txt"),
    "no weights shipped": (
        ["a.png", "-o", "out"],
        r"x4 .*--weights SSIU_x4.pth",
    ),
    "another scale": (
        ["a.png", "-o", "out", "--weights", "x2.pth", "--scale", "4"],
        r"--scale \(4\): .* x2.pth .* x2; leave scale out",
    ),
    "a scale there is none of": (["a.png", "-o", "out", "--scale", "5"], r"argument --scale: invalid choice: "),
    "a format": (["a.png", "-o", "out", "--format", "gif"], r"argument --format: invalid choice: 'gif'"),
    "a quality": (["a.png", "-o", "out", "--quality", "0"], r"--quality: '0' .* 1 to 100"),
    "a device": (["a.png", "-o", "out", "--device", "gpu"], r"--device gpu: .*use cpu, cuda or cuda:0"),
    "a device of another kind": (["a.png", "-o", "out", "--device", "meta"], r"--device meta: .*use cpu"),
    "a precision": (["a.png", "-o", "out", "--precision", "fp8"], r"argument --precision: invalid choice: 'fp8'"),
    "small tiles": (["a.png", "-o", "out", "--tile", "16"], r"argument --tile: '16' .* 64"),
    "threads": (["a.png", "-o", "out", "--threads", "0"], r"--threads: '0' .* 1 to 4096"),
    "an abbreviation": (["a.png", "-o", "out", "--self"], r"unrecognized arguments: --self"),
}


@pytest.mark.parametrize(("arguments", "line"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_before_anything_is_written(folder, ssiu, monkeypatch, arguments, line):
    monkeypatch.setattr(pretrained, "FOLDER", folder / "nothing shipped")
    image("a.png")
    Path("empty").mkdir()
    Path("notes.txt").write_text("no weights")
    before = sorted(folder.rglob("*"))
    code, out, err = ssiu("upscale", *arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"ssiu upscale: .*{line}.*\n", err), err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("rank", "processes"), [("2", "2"), ("-1", "2"), ("one", "2"), ("0", "0"), ("one", "")])
def test_an_environment_that_torchrun_does_not_make(upscale, monkeypatch, rank, processes):
    for name, value in (("RANK", rank), ("WORLD_SIZE", processes), ("MASTER_ADDR", "here"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    code, _, err = upscale("a.png", "-o", "out")
    assert code == 2
    assert re.match(r"ssiu upscale: RANK .*torchrun\n", err)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(upscale, folder, ssiu):
    image("a.png")
    code, _, err = ssiu("upscale", "a.png", "-o", "out", "--weights", "x2.pth", "--device", "cuda")
    assert code == 2
    assert "torch finds no GPU here; use --device cpu" in err


def test_weights_shipped_with_the_package(folder, ssiu, monkeypatch):
    samples = image("a.png")
    (folder / "shipped").mkdir()
    Path("x2.pth").rename("shipped/SSIU_x2.pth")
    monkeypatch.setattr(pretrained, "FOLDER", folder / "shipped")
    expected = ssiu_arch.upscale(samples, "shipped/SSIU_x2.pth")
    for name, weights in (("b.png", []), ("c.png", ["--weights", "shipped"])):
        assert ssiu("upscale", "a.png", "-o", name, *weights, "--scale", "2", "--device", "cpu")[0] == 0
        assert np.array_equal(read(name), expected)


def test_each_process_of_a_machine_takes_its_own_gpu(ssiu, folder, monkeypatch):
    asked = []
    image("photo.png")

    def refuse(text):
        asked.append(text)
        raise UserError("no GPU")

    monkeypatch.setattr("ssiu_arch.utils.device.check_device", refuse)
    monkeypatch.setenv("LOCAL_RANK", "3")
    for device in ("cuda", "cuda:1", "cpu"):
        ssiu("upscale", "photo.png", "-o", "out", "--weights", "x2.pth", "--device", device)
    assert asked == ["cuda:3", "cuda:1", "cpu"]


RANKS = """
import os, time
import torch.distributed  # once, before the fork
from ssiu_arch.cli.arguments import place
from ssiu_arch.cli.upscale import _wait_for_all

children = []
for rank in "01":
    os.environ["RANK"] = rank
    if (child := os.fork()) == 0:
        time.sleep(place("pytorch")[0])
        print("ready", flush=True)
        _wait_for_all()
        print("done", flush=True)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_process_that_is_done_waits_for_the_others(python, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    done = python("-c", RANKS, cwd=tmp_path, env=place)
    said = "".join(done.stdout.split())  # the processes share stdout, so their line ends may meet
    assert said == "readyreadydonedone", done.stderr
