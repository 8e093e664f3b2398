"""What the verbs of ``ssiu`` have in common."""

import os
import re
from pathlib import Path

import pytest
from PIL import Image

from ssiu_arch.cli.arguments import check_output
from ssiu_arch.cli.main import main
from ssiu_arch.utils.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["upscale", "a.png", "-o", ""], "-o"),
        (["upscale", "a.png", "--out="], "--out"),
        (["upscale", "a.png", "", "-o", "out"], "an argument"),
        (["export", "shipped", "-o", "a.onnx", "--calibration", ""], "--calibration"),
        (["convert", "a.pth", "--key", ""], "--key"),
    ],
)
def test_empty_text_is_no_folder(ssiu, tmp_path, monkeypatch, arguments, name):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a.png")
    code, out, err = ssiu(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"ssiu {arguments[0]}: {name} is empty text")
    assert err.count("\n") == 1
    assert os.listdir() == ["a.png"]


def test_empty_text_is_no_option_file(capsys):
    assert main(["train", "-opt", ""]) == 2
    assert "-opt is empty text" in capsys.readouterr().err


def test_what_can_be_written_leaves_nothing_behind(tmp_path):
    check_output(tmp_path / "a.png", ".png")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_the_system_does_not_take(tmp_path):
    with pytest.raises(UserError, match=r"n+\.png: cannot be written \("):
        check_output(tmp_path / f"{'n' * 300}.png")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc, a folder in which nobody may write")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_which_nothing_can_be_written_is_refused_before_the_work(overwrite):
    with pytest.raises(UserError, match=re.escape("/proc/new.png: cannot be written (")):
        check_output(Path("/proc/new.png"), overwrite=overwrite)
