"""Accuracy of the modes, measured by the script on a small network and two small images."""

import re

import cv2
import numpy as np
import pytest
import torch

from benchmarks import modes
from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import load


@pytest.fixture
def given(tmp_path):
    """Weights, HR and LR images, by option."""
    torch.manual_seed(0)
    torch.save({"params": SSIU(upscale=2, num_feat=16, num_block=3).state_dict()}, tmp_path / "net.pth")
    rng = np.random.default_rng(0)
    for folder in ("HR", "LR"):
        (tmp_path / folder).mkdir()
    for name, size in {"small": (25, 31), "tall": (97, 48)}.items():  # HR; 97 and the odd ones are cut
        hr = cv2.GaussianBlur(rng.integers(0, 256, (*size, 3), np.uint8), (0, 0), 2)
        lr = cv2.resize(hr, (size[1] // 2, size[0] // 2), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(tmp_path / f"HR/{name}.png"), hr)
        cv2.imwrite(str(tmp_path / f"LR/{name}x2.png"), lr)
    return {"weights": tmp_path / "net.pth", "hr": tmp_path / "HR", "lr": tmp_path / "LR"}


@pytest.fixture
def run(monkeypatch, given, capsys):
    """Run the script in this process: exit code, stdout and the last line of stderr."""

    def run(**changes):
        options = {"precisions": "fp32", "tile": "32", **given, **changes}
        words = [(f"--{name.replace('_', '-')}", *str(value).split()) for name, value in options.items()]
        monkeypatch.setattr("sys.argv", ["modes.py", *(word for each in words for word in each)])
        code = 0
        try:
            modes.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out, (said.err.splitlines() or [""])[-1]

    return run


def cells(text):
    """The rows of the tables by their names."""
    rows = (
        line.strip("| ").split(" | ")
        for line in text.splitlines()
        if line.startswith(("| eager", "| fused", "| tiles", "| ONNX"))
    )
    return {name: found for name, *found in rows}


def test_an_exported_file_is_compared_and_not_judged(run, given, tmp_path, monkeypatch):
    net, file = load(given["weights"]), tmp_path / "x2.onnx"
    file.write_bytes(b"exported")
    monkeypatch.setattr(modes, "opened", lambda model, threads: lambda y: net(y) + len(model))
    code, out, _ = run(onnx=file)
    assert code == 0
    assert cells(out)["ONNX Runtime, x2.onnx"][:2] == ["2", "8"]
    with pytest.raises(UserError, match=r"none\.onnx"):
        run(onnx=tmp_path / "none.onnx")


def test_every_mode_and_the_tiles_are_measured(run, tmp_path, monkeypatch):
    monkeypatch.setattr(modes, "ROUNDED", 0.1)  # so few pixels of 8 bit change by chance
    code, out, _ = run(precisions="fp32 tf32 bf16 fp16", markdown=tmp_path / "modes.md")
    assert code == 0
    assert (tmp_path / "modes.md").read_text().strip() == out.strip()
    found = cells(out)
    ways = ["", ", by stage", ", strips of 16 rows", ", at once"]
    fused = [f"fused {precision}{way}" for precision in ("fp32", "bf16", "fp16") for way in ways]
    assert list(found) == ["eager", *fused, "tiles of 32, overlap 8", "tiles of 32, overlap 16"]
    assert found["eager"][:2] == ["2", "0"]
    assert all(0 < float(found[name][1]) < 1e-5 for name in fused if "fp32" in name)
    assert all(1e-4 < float(found[name][1]) < 0.1 for name in fused if "bf16" in name)
    for _, _, _, psnr, change in (found[name] for name in ["eager", *fused]):
        assert float(psnr) - float(found["eager"][3]) == pytest.approx(float(change), abs=1.01e-4)
    images, difference, rms, *_ = found["tiles of 32, overlap 8"]
    assert images == "1"  # the other one is smaller than a tile
    assert float(difference) > 1e-4
    assert -100 < float(rms) < -10


@pytest.mark.parametrize(
    ("error", "said"), [(2e-5, "2e-05"), (float("nan"), "not finite"), (RuntimeError("no\nkernel"), "no kernel$")]
)
def test_a_broken_mode_in_float32_ends_with_1_and_its_name(run, monkeypatch, error, said):
    def broken(parts, image, whole=modes.whole):
        if isinstance(error, Exception):
            raise error
        x = whole(parts, image)
        x[0, 0, 0, 0] += error
        return x

    monkeypatch.setattr(modes, "whole", broken)
    code, out, last = run()
    assert code == 1
    assert re.search(rf"^modes.py: fused fp32, at once: .*{said}", last)
    assert float(cells(out)["fused fp32, by stage"][1]) < 1e-5


def test_a_precision_that_loses_too_much_ends_with_1_and_its_name(run, monkeypatch):
    monkeypatch.setattr(modes, "at_once", lambda fused, y, run=modes.at_once: run(fused, y) + 0.1)
    code, _, last = run(precisions="bf16")
    assert code == 1
    assert re.search(r"^modes.py: fused bf16, at once: .*\d+\.\d{4} dB", last)


def test_psnr_leaves_the_result_as_it_is():
    """BasicSR's ``tensor2img`` clamps in place, which would hide differences outside [0, 1]."""
    x = torch.tensor([-0.5, 0.5, 1.5]).reshape(1, 3, 1, 1).repeat(1, 1, 4, 4)
    before = x.clone()
    modes.psnr(x, np.zeros((4, 4, 3), np.uint8), 1)
    assert torch.equal(x, before)


def without_lr(given):
    (given["lr"] / "tallx2.png").unlink()


def other_scale(given):
    cv2.imwrite(str(given["lr"] / "smallx2.png"), np.zeros((6, 7, 3), np.uint8))


@pytest.mark.parametrize(
    ("spoil", "changes", "said"),
    [
        (None, {"weights": "none.pth"}, "none.pth"),
        (without_lr, {}, "tall.png.*tall"),
        (other_scale, {}, "25x31 and 6x7.*x2"),
        (None, {"hr": "nowhere"}, "nowhere"),
        (None, {"device": "tpu"}, "--device tpu"),
        (None, {"overlaps": "8 24"}, "--tile 32.*--overlaps 0 to 16"),
    ],
)
def test_bad_input_is_an_error_of_the_user(run, given, spoil, changes, said):
    if spoil:
        spoil(given)
    with pytest.raises(UserError, match=said):
        run(**changes)
