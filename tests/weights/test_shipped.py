"""The weights that come with the package, their records and their cards."""

import csv
import hashlib
import json
from importlib.metadata import distributions
from pathlib import Path
from sysconfig import get_path

import cv2
import numpy as np
import pytest
import torch

from benchmarks.train_weights.card import card
from ssiu_arch import load
from ssiu_arch.data.bicubic import BICUBIC
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import shipped as shipped_weights
from ssiu_arch.weights.shipped import shipped


def test_shipped_names_the_packages_own_weights(monkeypatch, tmp_path):
    for scale in (2, 3, 4):
        assert shipped_weights.weights_path("shipped", scale) == shipped(scale)
        assert load("shipped", scale=scale).upscale == scale
    assert shipped_weights.weights_path(Path("shipped")) == shipped(4)
    assert shipped_weights.weights_path("a/shipped", 2) == Path("a/shipped")
    monkeypatch.setattr(shipped_weights, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=r"x2 .*--weights"):
        load("shipped", scale=2)


def test_weights_of_another_scale():
    with pytest.raises(ValueError, match=r"scale \(2\).* x4"):
        load(shipped(4), scale=2)


@pytest.mark.parametrize("scale", [2, 3, 4])
class TestShipped:
    def test_they_score_as_when_they_were_shipped(self, scale):
        """By the optimised form, on a photo that is not among the training photos: numerics cannot drift."""
        from benchmarks.train_weights.ship import photo_psnr

        assert photo_psnr(load(shipped(scale))) == pytest.approx(record_of(scale)["photo_psnr"], abs=0.005)

    def test_the_network_itself_scores_the_same(self, scale, photo):
        from basicsr.utils import img2tensor, tensor2img

        from benchmarks.train_weights.ship import mean_scores

        net = load(shipped(scale)).eval()

        @torch.no_grad()
        def enlarge(lr):
            return tensor2img(net(img2tensor(lr.astype(np.float32) / 255)[None]))

        (psnr,) = mean_scores([(photo, make_lr(photo, scale))], scale, enlarge, ["psnr"])
        assert psnr == pytest.approx(record_of(scale)["photo_psnr"], abs=0.005)

    def test_they_are_of_use(self, scale, photo):
        """At least 0.5 dB above bicubic interpolation, there and on every set."""
        from benchmarks.train_weights.ship import bicubic_scores

        bicubic, _ = bicubic_scores([(photo, make_lr(photo, scale))], scale)
        record = record_of(scale)
        assert record["photo_psnr"] > bicubic + 0.5
        for name, (psnr, _) in record["scores"].items():
            assert psnr > record["bicubic"][name][0] + 0.5
            assert record["bicubic"][name] == pytest.approx(
                BICUBIC.get((name, scale), record["bicubic"][name]), abs=2e-3
            )

    def test_card_curves_and_plot_are_of_the_record(self, scale):
        file, record = shipped(scale), record_of(scale)
        assert hashlib.sha256(file.read_bytes()).hexdigest() == record["sha256"]
        assert file.with_suffix(".md").read_text() == card(record)
        rows = list(csv.DictReader(file.with_suffix(".csv").open()))
        runs = [str(number) for number, _ in enumerate(record["runs"], 1)]
        assert list(dict.fromkeys(row["run"] for row in rows)) == runs
        best = max(float(row["psnr"]) for row in rows if row["psnr"])
        validation = next(iter(record["scores"]))
        assert best == pytest.approx(record["scores"][validation][0], abs=0.05)
        assert cv2.imread(str(file.with_suffix(".png"))).min() < 50

    def test_they_are_of_the_papers_network_in_half_precision(self, scale):
        held = torch.load(shipped(scale))["params_ema"]
        assert {value.dtype for value in held.values()} == {torch.float16}
        assert sum(value.numel() for value in held.values()) == {2: 777_827, 3: 798_627, 4: 794_467}[scale]

    def test_an_installation_has_them(self, scale):
        found = distributions(name="ssiu-arch", path=[get_path("purelib")])
        files = {str(path) for one in found for path in one.files or ()}
        if "ssiu_arch/__init__.py" not in files:
            pytest.skip("ssiu_arch is not installed, or in place")
        expected = {f"ssiu_arch/weights/shipped/SSIU_x{scale}.{e}" for e in ("pth", "md", "json", "csv", "png")}
        assert expected <= files


@pytest.fixture
def photo():
    """The crop that ``photo_psnr`` measures, BGR."""
    from skimage.data import coffee

    return np.ascontiguousarray(coffee()[100:292, 200:392, ::-1])


def record_of(scale):
    return json.loads(shipped(scale).with_suffix(".json").read_text())
