"""The script that measures what each mode costs in accuracy, on a tiny network and two tiny images."""

import re
import runpy

import cv2
import numpy as np
import pytest
import torch

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.tools.profile import accuracy


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
def run(root, monkeypatch, given, capsys):
    """Run the script in this process: exit code, stdout and the last line of stderr."""

    def run(**changes):
        options = {"precisions": "fp32", "tile": "32", **given, **changes}
        line = [
            word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", *str(value).split())
        ]
        monkeypatch.setattr("sys.argv", [str(root / "benchmarks/modes.py"), *line])
        code = 0
        try:
            runpy.run_path(str(root / "benchmarks/modes.py"), run_name="__main__")
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
        if line.startswith(("| eager", "| fused", "| tiles"))
    )
    return {name: found for name, *found in rows}


def test_every_mode_and_the_tiles_are_measured(run, tmp_path, monkeypatch):
    monkeypatch.setattr(accuracy, "ROUNDED", 0.1)  # so few pixels of 8 bit change by chance
    code, out, _ = run(precisions="fp32 tf32 bf16 fp16", markdown=tmp_path / "modes.md")
    assert code == 0
    assert (tmp_path / "modes.md").read_text().strip() == out.strip()
    found = cells(out)
    ways = ["", ", by stage", ", strips of 16 rows", ", at once"]
    modes = [f"fused {precision}{way}" for precision in ("fp32", "bf16", "fp16") for way in ways]
    assert list(found) == ["eager", *modes, "tiles of 32, overlap 8", "tiles of 32, overlap 16"]
    assert found["eager"][0] == "0"
    assert all(0 < float(found[name][0]) < 1e-5 for name in modes if "fp32" in name)
    assert all(1e-4 < float(found[name][0]) < 0.1 for name in modes if "bf16" in name)
    for _, psnr, change in (found[name] for name in ["eager", *modes]):
        assert float(psnr) - float(found["eager"][1]) == pytest.approx(float(change), abs=1.01e-4)
    images, difference, rms, *_ = found["tiles of 32, overlap 8"]
    assert images == "1"  # the other one is smaller than a tile
    assert float(difference) > 1e-4
    assert -100 < float(rms) < -10


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (2e-5, r"^modes.py: fused fp32, at once: differs by 2e-05 from the network in float32 on the CPU, "),
        (float("nan"), r"^modes.py: fused fp32, at once: its result holds values that are not finite$"),
        (RuntimeError("no\nkernel"), r"^modes.py: fused fp32, at once: cannot run: small: no kernel$"),
    ],
)
def test_a_broken_mode_in_float32_ends_with_1_and_its_name(run, monkeypatch, error, said):
    def broken(parts, image, whole=accuracy.whole):
        if isinstance(error, Exception):
            raise error
        x = whole(parts, image)
        x[0, 0, 0, 0] += error
        return x

    monkeypatch.setattr(accuracy, "whole", broken)
    code, out, last = run()
    assert code == 1
    assert re.search(said, last)
    assert float(cells(out)["fused fp32, by stage"][0]) < 1e-5


def test_a_precision_that_loses_too_much_ends_with_1_and_its_name(run, monkeypatch):
    monkeypatch.setattr(accuracy, "at_once", lambda fused, y, run=accuracy.at_once: run(fused, y) + 0.1)
    code, _, last = run(precisions="bf16")
    assert code == 1
    assert re.search(r"^modes.py: fused bf16, at once: loses \d+\.\d{4} dB; 0.01 is allowed$", last)


def test_psnr_leaves_the_result_as_it_is():
    """BasicSR's ``tensor2img`` clamps in place, which would hide differences outside [0, 1]."""
    x = torch.tensor([-0.5, 0.5, 1.5]).reshape(1, 3, 1, 1).repeat(1, 1, 4, 4)
    before = x.clone()
    accuracy.psnr(x, np.zeros((4, 4, 3), np.uint8), 1)
    assert torch.equal(x, before)


def other_weights(given):
    torch.save({"params": {"conv_first.weight": torch.ones(1)}}, given["weights"])


def without_lr(given):
    (given["lr"] / "tallx2.png").unlink()


def other_scale(given):
    cv2.imwrite(str(given["lr"] / "smallx2.png"), np.zeros((6, 7, 3), np.uint8))


@pytest.mark.parametrize(
    ("spoil", "changes", "said"),
    [
        (None, {"weights": "none.pth"}, "weights none.pth: no such file"),
        (other_weights, {}, "not an SSIU's"),
        (without_lr, {}, "has no image tallx2 for tall.png; see --filename-tmpl"),
        (other_scale, {}, "small.png: 25x31 and 6x7 are not HR and LR of x2, the scale of the weights"),
        (None, {"filename_tmpl": "x2"}, "--filename-tmpl x2: has no {} for the name of the HR image"),
        (None, {"hr": "nowhere"}, "nowhere: there is no such folder"),
        (None, {"device": "tpu"}, "--device tpu: is no device"),
        (None, {"overlaps": "8 24"}, "--tile 32: must be 32 or more, and --overlaps 0 to 16, half of it"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, given, spoil, changes, said):
    if spoil:
        spoil(given)
    code, out, last = run(**changes)
    assert (code, out) == (2, "")
    assert last.startswith("modes.py: ")
    assert said in last
