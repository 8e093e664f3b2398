"""Upscaling, converting and exporting import neither BasicSR nor torchvision nor OpenCV."""

import pytest
import torch
from PIL import Image

from ssiu_arch import SSIU

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("basicsr", "torchvision", "cv2"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
"""
UPSCALE = """
import sys
import numpy as np
import ssiu_arch
from ssiu_arch.cli.main import ssiu

assert ssiu(["upscale", "a.png", "b.jpg", "-o", "out", "--weights", "x2.pth", "--device", "cpu"]) == 0
assert ssiu(["convert", "x2.pth", "-o", "x2.pt"]) == 0
assert ssiu(["convert", "--info", "shipped"]) == 0
net = ssiu_arch.load("x2.pt")
image = np.zeros((8, 12, 3), np.uint8)
assert ssiu_arch.upscale(image, net).shape == (16, 24, 3)
assert ssiu_arch.upscale(image, scale=3).shape == (24, 36, 3)
ssiu_arch.fuse(net), ssiu_arch.tiled
assert "sympy" not in sys.modules  # which takes half a second
"""
EXPORT = """
from ssiu_arch.cli.main import ssiu
assert ssiu(["export", "x2.pth", "-o", "x2.onnx", "--static", "16x16"]) == 0
"""


@pytest.fixture
def folder(tmp_path, sine_weights):
    net = sine_weights(SSIU(upscale=2, num_feat=16, num_block=3))
    torch.save({"params": net.state_dict()}, tmp_path / "x2.pth")
    for name in ("a.png", "b.jpg"):
        Image.new("RGB", (12, 8), "red").save(tmp_path / name)
    return tmp_path


def test_upscale_and_convert(folder, python):
    done = python("-c", BLOCKED + UPSCALE, cwd=folder)
    assert done.returncode == 0, done.stderr
    for name in ("a.png", "b.jpg"):
        assert Image.open(folder / "out" / name).size == (24, 16)


def test_export(folder, python):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    done = python("-c", BLOCKED + EXPORT, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "x2.onnx").is_file()
