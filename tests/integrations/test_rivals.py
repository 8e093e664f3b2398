"""Networks of spandrel in BasicSR: scales, sizes, errors, and the option files that train rivals."""

import re
import warnings
from functools import partial

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from ssiu_arch.data.images import write_image
from ssiu_arch.evaluation import paper
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights.shipped import shipped

pytest.importorskip("spandrel_extra_arches", reason="spandrel, of the extra rivals, is not installed")
from spandrel.architectures.SwinIR import SwinIR

from ssiu_arch.integrations.rivals import LIGHT, Spandrel

SMALL = {"upscale": 2, "window_size": 8, "depths": [2], "embed_dim": 8, "num_heads": [2], "mlp_ratio": 2}
TINY_SWINIR = partial(SwinIR, upsampler="pixelshuffledirect", **SMALL)


@pytest.mark.parametrize("name", [row.method for row in paper.rows(4) if row.method in LIGHT])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_parameters_are_those_of_table_1(name, scale):
    """To the thousand; Omni-SR's row leaves out embeddings, its own layer norm and bare parameters."""
    counted = (nn.Conv2d, nn.Linear, nn.LayerNorm) if name == "Omni-SR" else nn.Module
    layers = [layer for layer in LIGHT[name].build(scale).modules() if isinstance(layer, counted)]
    count = sum(parameter.numel() for layer in layers for parameter in layer.parameters(recurse=False))
    (row,) = (row for row in paper.rows(scale) if row.method == name)
    assert abs(count / 1000 - row.kilo_parameters) < 1


@pytest.mark.parametrize("name", ["SAFMN", "Omni-SR"])
def test_any_size_is_enlarged_and_every_parameter_trains(name):
    net = Spandrel(arch=name, upscale=3)
    result = net(torch.rand(2, 3, 9, 5))
    assert result.shape == (2, 3, 27, 15)
    result.mean().backward()
    assert not [name for name, parameter in net.named_parameters() if parameter.grad is None]


def test_the_shipped_ssiu_is_itself():
    from ssiu_arch import load

    image = torch.rand(1, 3, 20, 33)
    net = Spandrel(path="shipped", upscale=2).eval()
    with torch.no_grad():
        assert torch.equal(net(image), load(shipped(2))(image))


def test_what_cannot_be_loaded_is_said(tmp_path):
    torch.save({"a.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other.pth: of no network that spandrel knows"):
        Spandrel(path=str(tmp_path / "other.pth"))
    torch.save(TINY_SWINIR(in_chans=1).state_dict(), tmp_path / "grey.pth")
    with pytest.raises(UserError, match=r"grey.pth: SwinIR does not make RGB images"):
        Spandrel(path=str(tmp_path / "grey.pth"))
    with pytest.raises(ValueError, match=r"upscale \(2\): .* are for x4"):
        Spandrel(path=str(shipped(4)), upscale=2)
    with pytest.raises(ValueError, match="either path"):
        Spandrel()
    with pytest.raises(ValueError, match="must be one of Omni-SR"):
        Spandrel(arch="EDSR")


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ("none", r"x\.pth: no such file"),
        ("NaN", r"x\.pth: 1 NaN or infinite"),
        ("extra", r"pip install 'ssiu-arch\[rivals\]'"),
    ],
)
@pytest.mark.parametrize("command", [("profile",), ("lam", "a.png", "-o", "b.png")], ids=["profile", "lam"])
def test_a_rival_that_cannot_be_loaded_is_one_line(ssiu, tmp_path, monkeypatch, command, broken, line):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "a.png", np.zeros((40, 40, 3), np.uint8))
    (tmp_path / "x.yml").write_text("network_g: {type: Spandrel, path: x.pth}\n")
    net = TINY_SWINIR()
    if broken == "NaN":
        net.conv_first.bias.data[0] = float("nan")
    if broken != "none":
        torch.save(net.state_dict(), tmp_path / "x.pth")
    if broken == "extra":
        monkeypatch.setattr("ssiu_arch.utils.extras.find_spec", lambda name: None if "spandrel" in name else name)
    code, out, err = ssiu(*command, "-opt", "x.yml")
    assert (code, out) == (2, ""), err
    assert re.fullmatch(rf"ssiu {command[0]}: .*x\.yml: .*{line}.*\n", err), err


def test_a_rival_is_profiled_without_warnings(ssiu, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = TINY_SWINIR()
    torch.save(net.state_dict(), tmp_path / "x.pth")
    (tmp_path / "x.yml").write_text("network_g: {type: Spandrel, path: x.pth}\n")
    torch.set_warn_always(True)  # not only once a process
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "torch.meshgrid")
            arguments = ["--upscale", 2, "--size", "8x8", "--no-latency", "--no-memory"]
            code, out, err = ssiu("profile", "-opt", "x.yml", *arguments)
    finally:
        torch.set_warn_always(False)
    assert (code, err) == (0, "")
    assert f"{sum(parameter.numel() for parameter in net.parameters()):,}" in out


@pytest.mark.parametrize("name", ["EDSR-M", "SwinIR-light", "SAFMN", "Omni-SR"])
def test_a_rival_is_trained_as_ssiu_is(root, name):
    from basicsr.models import build_model

    text = (root / f"options/rivals/train_{name}_x4.yml").read_text()
    opt, recipe = yaml.safe_load(text), yaml.safe_load((root / "options/train_SSIU_x4.yml").read_text())
    assert f"-opt options/rivals/train_{name}_x4.yml" in text
    assert opt.pop("name") == f"train_{name}_x4"
    assert {key for key, value in recipe.items() if key != "name" and opt[key] != value} == {"network_g"}
    torch.manual_seed(0)
    model = build_model({**opt, "name": name, "is_train": True, "dist": False, "num_gpu": 0})
    before = [parameter.clone() for parameter in model.net_g.parameters()]
    for iteration in (1, 2):
        model.feed_data({"lq": torch.rand(1, 3, 16, 16), "gt": torch.rand(1, 3, 64, 64)})
        model.optimize_parameters(iteration)
    assert model.get_current_log()["l_fft"] > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, model.net_g.parameters(), strict=True))
