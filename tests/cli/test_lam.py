"""``ssiu lam``: what it shows and writes, and bad input."""

import re
import shutil

import cv2
import numpy as np
import pytest
import torch
import yaml

from ssiu_arch import SSIU
from ssiu_arch.tools.lam.attribution import attribute

QUICK = ["--crop", "16", "--steps", "3", "--patch", "8"]


@pytest.fixture(scope="module")
def files(tmp_path_factory, sine_weights):
    """A folder of images, weights and option files."""
    folder = tmp_path_factory.mktemp("files")
    photo = np.random.default_rng(0).integers(0, 256, (48, 60, 3), np.uint8)
    cv2.imwrite(f"{folder}/photo.png", photo)
    cv2.imwrite(f"{folder}/small.png", photo[:3, :3])
    cv2.imwrite(f"{folder}/flat.png", np.full((30, 30, 3), 77, np.uint8))
    (folder / "words.png").write_text("no image")
    (folder / "folder").mkdir()
    for name, scale in (("x2", 2), ("other", 2), ("x3", 3)):
        net = sine_weights(SSIU(upscale=scale, num_feat=16, num_block=3))
        torch.save({"params": net.state_dict()}, folder / f"{name}.pth")
    torch.save({"params": {}}, folder / "empty.pth")
    edsr = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 2}
    (folder / "random.yml").write_text(yaml.safe_dump({"name": "EDSR of a file", "network_g": edsr}))
    (folder / "nothing.yml").write_text("name: nothing\n")
    (folder / "a.png").write_text("name: nothing\n")
    return folder


@pytest.fixture
def place(files, tmp_path, monkeypatch):
    """A copy of the folder to run in."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(files, tmp_path, dirs_exist_ok=True)


def test_a_run_from_files_to_files(ssiu, place, monkeypatch):
    seen = []

    def noted(network, lr, patch, *rest):
        seen.append((lr, patch, attribute(network, lr, patch, *rest)))
        return seen[-1][2]

    monkeypatch.setattr("ssiu_arch.tools.lam.attribution.attribute", noted)
    before = {path.name for path in place.iterdir()}
    code, out, err = ssiu(
        "lam", "photo.png", "--hr", "--weights", "x2.pth", "-opt", "random.yml", "random.yml", "--names", "SSIU",
        "a", "b", "--at", 20, 10, *QUICK, "-o", "lam.png",
    )  # fmt: skip
    assert code == 0, err
    assert {path.name for path in place.iterdir()} - before == {"lam.png"}
    assert cv2.imread("lam.png") is not None
    warnings = [line for line in err.splitlines() if "warning" in line]
    assert [line.split()[3] for line in warnings if "random weights" in line] == ["a", "b"]
    assert {(lr.shape, patch.side) for lr, patch, _ in seen} == {((16, 16, 3), 8)}
    x, y = (20 - seen[0][1].x) // 2, (10 - seen[0][1].y) // 2
    title = " ".join(out.partition(" DI ")[0].split())
    for fact in ("8x8 at x 20, y 10", "x2", "photo.png", f"16x16 LR pixels at x {x}, y {y}", "1.2", "3 steps"):
        assert fact in title
    table = [line.split() for line in out.splitlines() if line.split()[:1] in (["SSIU"], ["a"], ["b"])]
    for row, (_, _, found) in zip(table, seen, strict=True):
        rows, columns = np.nonzero(found.area)
        box = f"{np.ptp(columns) + 1}x{np.ptp(rows) + 1}"
        share = f"{found.area.mean():.2%}"
        assert row[1:] == [f"{found.diffusion_index:.3f}", str(len(rows)), share, box, f"{found.error:.2%}"]
    assert out.splitlines()[-1].split() == ["written", "to", "lam.png"]


def test_an_lr_image_is_seen_as_it_is(ssiu, place, monkeypatch):
    seen = []
    monkeypatch.setattr("ssiu_arch.tools.lam.attribution.attribute", lambda *given: seen.append(given) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ssiu("lam", "photo.png", "--weights", "x2.pth", *QUICK, "-o", "lam.png")
    ((network, lr, patch, *_),) = seen
    # the patch is in the middle of a result of 120x96: 56 to 64, 44 to 52, in the middle of the crop
    np.testing.assert_array_equal(lr, cv2.imread("photo.png")[16:32, 22:38, ::-1])
    assert (network.name, patch) == ("x2", (12, 12, 8))


def test_without_a_network_it_is_the_shipped_one(ssiu, place):
    code, out, err = ssiu("lam", "photo.png", *QUICK, "-o", "lam.png")
    assert code == 0, err
    assert " x4 result " in out.splitlines()[0]
    assert any(line.startswith("shipped ") for line in out.splitlines())


def test_what_is_there_is_replaced_only_on_demand(ssiu, place):
    (place / "lam.png").write_text("precious")
    arguments = ["lam", "photo.png", "--weights", "x2.pth", *QUICK, "-o", "lam.png"]
    code, _, err = ssiu(*arguments)
    assert code == 2
    assert re.fullmatch(r"ssiu lam: -o lam.png: .*--overwrite\n", err)
    assert (place / "lam.png").read_text() == "precious"
    code, _, err = ssiu(*arguments, "--overwrite")
    assert code == 0, err
    assert cv2.imread("lam.png") is not None


def test_an_integration_that_is_off_is_said(ssiu, place):
    arguments = ["lam", "photo.png", "--weights", "x2.pth", "--crop", "16", "-o", "lam.png"]
    code, out, err = ssiu(*arguments, "--steps", "1")
    off = re.search(r"warning: .*x2 is (\d+)%: raise --steps", err)
    assert code == 0
    assert off
    assert re.search(rf"{off[1]}\.\d\d%\n", out)
    code, _, err = ssiu(*arguments, "--steps", "30", "--overwrite")
    assert "warning" not in err


BASE = ["photo.png", "--weights", "x2.pth"]
BAD = {
    "no image": (["none.png", "--weights", "x2.pth"], "none.png: .*No such file"),
    "a name too long": (["n" * 300, "--weights", "x2.pth"], "n+: .*too long"),
    "a folder for an image": (["folder", "--weights", "x2.pth"], "folder: .*directory"),
    "words for an image": (["words.png", "--weights", "x2.pth"], "words.png: "),
    "a small image": (["small.png", *BASE[1:], "--patch", "4"], "the input is 3x3 LR pixels"),
    "a flat image": (["flat.png", "--weights", "x2.pth", "--steps", "1"], "x2: .*flat.*--at"),
    "no weights": (["photo.png", "--weights", "x5.pth"], "weights x5.pth: no such file"),
    "empty weights": (["photo.png", "--weights", "empty.pth"], "weights empty.pth: "),
    "an image for weights": (["photo.png", "--weights", "photo.png"], "weights photo.png: "),
    "no option file": (["photo.png", "-opt", "none.yml"], "none.yml: no such file"),
    "an option file without network": (["photo.png", "-opt", "nothing.yml"], "nothing.yml: .*network_g"),
    "two scales": ([*BASE, "x3.pth"], "x3 is x3, but x2 x2: "),
    "one name for two": ([*BASE, "folder/../x2.pth"], "x2 is given twice: give --names"),
    "names for others": ([*BASE, "--names", "a", "b"], r"--names a b: 2 names for 1 networks"),
    "a name that cannot be drawn": ([*BASE, "--names", "网络"], "'网络' must be .*ASCII.*--names"),
    "an empty name": ([*BASE, "--names", ""], "--names is empty text"),
    "a patch outside": ([*BASE, "--at", "110", "3"], "--at 110 3: .* 16x16 "),
    "a patch left of it": ([*BASE, "--at", "-5", "3"], "argument --at: "),
    "half a place": ([*BASE, "--at", "5"], "argument --at: expected 2 arguments"),
    "a large patch": ([*BASE, "--patch", "100"], "--patch 100: .* 120x96"),
    "a patch beyond the crop": ([*BASE, "--patch", "60", "--crop", "16"], "--crop 16: smaller than the patch"),
    "no steps": ([*BASE, "--steps", "0"], "argument --steps: '0' "),
    "a small crop": ([*BASE, "--crop", "4"], "argument --crop: '4' .*5 to 1024"),
    "no device": ([*BASE, "--device", "gpu"], "--device gpu: .*cpu"),
    "another picture": ([*BASE, "-o", "lam.jpg"], "-o lam.jpg: .*.png"),
    "no folder": ([*BASE, "-o", "nowhere/a.png"], "-o nowhere/a.png: "),
    "an output that is there": ([*BASE, "-o", "flat.png"], "-o flat.png: "),
    "the image as output": ([*BASE, "-o", "photo.png", "--overwrite"], "-o photo.png: "),
    "the options as output": ([*BASE, "-opt", "a.png", "-o", "a.png", "--overwrite"], "-o a.png: "),
    "an unknown option": ([*BASE, "--colour"], "unrecognized arguments: --colour; see ssiu lam --help"),
    "no output": ([*BASE, "-o"], "argument -o/--output: expected one argument"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "line"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_before_anything_is_written(ssiu, place, arguments, line):
    before = {path: path.read_bytes() for path in place.iterdir() if path.is_file()}
    output = [] if "-o" in arguments else ["-o", "lam.png"]
    code, out, err = ssiu("lam", *arguments, *output)
    assert (code, out) == (2, ""), err
    assert re.fullmatch(rf"ssiu lam: .*{line}.*", err.splitlines()[-1]), err
    assert all("warning" in said for said in err.splitlines()[:-1])
    assert {path: path.read_bytes() for path in place.iterdir() if path.is_file()} == before


def test_a_run_can_be_interrupted(ssiu, place, monkeypatch):
    steps = []

    def objective(result, patch):
        steps.append(len(result))
        if len(steps) == 5:
            raise KeyboardInterrupt
        return result.mean(dim=(1, 2, 3))

    monkeypatch.setattr("ssiu_arch.tools.lam.attribution.detail", objective)
    code, _, err = ssiu("lam", *BASE, "--crop", "16", "-o", "lam.png")
    assert (code, steps) == (130, [1] * 5)  # the two ends of the path, then a step at a time
    assert err.splitlines()[-1] == "ssiu lam: interrupted"
    assert not (place / "lam.png").exists()


def test_without_matplotlib_nothing_is_begun(ssiu, place, monkeypatch):
    monkeypatch.setattr("ssiu_arch.utils.extras.find_spec", lambda name: None)
    code, out, err = ssiu("lam", *BASE, "-o", "lam.png")
    assert (code, out) == (2, "")
    assert "ssiu-arch[plot]" in err
