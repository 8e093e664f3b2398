"""``ssiu_arch.weights.hub``: folders as the Hub has them, written and read without a network."""

import importlib
import json
import sys

import pytest
import torch

from ssiu_arch import fuse, load
from ssiu_arch.utils import extras
from ssiu_arch.utils.errors import UserError

pytest.importorskip("huggingface_hub", reason="huggingface_hub, of the extra hub, is not installed")
from ssiu_arch.weights import hub

TINY = {"upscale": 2, "num_feat": 16, "num_block": 3, "sparse_attention": False}


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a test asks for the network")

    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.fixture
def folder(tmp_path, sine_weights):
    sine_weights(hub.SSIU(**TINY)).save_pretrained(tmp_path / "x2")
    return tmp_path / "x2"


def test_a_network_comes_back_with_its_arguments(folder, sine_weights):
    net, back = sine_weights(hub.SSIU(**TINY)), hub.SSIU.from_pretrained(folder)
    image = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    assert not back.training
    with torch.no_grad():
        assert torch.equal(back(image), net(image))
        assert torch.equal(load(folder / "model.safetensors")(image), net(image))
        torch.testing.assert_close(fuse(back)(image), net(image), atol=1e-5, rtol=0)


def test_the_configuration_is_the_networks_arguments(folder):
    assert json.loads((folder / "config.json").read_text()) == {
        "num_in_ch": 3,
        "num_head": 4,
        "feature_selector": True,
        **TINY,
    }


@pytest.mark.parametrize(("given", "upscale"), [({}, 4), ({"scale": 2}, 2)])
def test_the_configuration_names_the_scale_however_it_was_given(tmp_path, given, upscale):
    hub.SSIU(num_feat=8, num_block=3, **given).save_pretrained(tmp_path / "x")
    assert json.loads((tmp_path / "x/config.json").read_text())["upscale"] == upscale
    assert hub.SSIU.from_pretrained(tmp_path / "x").upscale == upscale


def test_a_missing_parameter_is_an_error(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop("head.bias")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(RuntimeError, match=r"head\.bias"):
        hub.SSIU.from_pretrained(folder)


def test_converted_weights_do(folder, ssiu, tmp_path):
    (folder / "model.safetensors").rename(tmp_path / "source.safetensors")
    assert ssiu("convert", tmp_path / "source.safetensors", "-o", folder / "model.safetensors")[0] == 0
    weights = load(tmp_path / "source.safetensors").state_dict()
    assert all(
        torch.equal(weights[name], value) for name, value in hub.SSIU.from_pretrained(folder).state_dict().items()
    )


def test_without_the_extra_it_says_so(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "ssiu_arch.weights.hub")
    with pytest.raises(UserError, match=r"huggingface_hub.*pip install 'ssiu-arch\[hub\]'"):
        importlib.import_module("ssiu_arch.weights.hub")
