"""Networks and their weights, however they are named."""

import pytest
import torch
import yaml
from basicsr.archs.edsr_arch import EDSR
from basicsr.archs.swinir_arch import SwinIR

from ssiu_arch import SSIU
from ssiu_arch.tools.lam.networks import from_candidate, from_options, from_weights
from ssiu_arch.utils.errors import UserError

TINY = {"upscale": 2, "num_feat": 16, "num_block": 3}
SMALL_EDSR = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 3}
SMALL_SWINIR = {"window_size": 8, "depths": [2], "num_heads": [2], "embed_dim": 8, "upsampler": "pixelshuffledirect"}
EDSR_TEXT = "EDSR:num_in_ch=3,num_out_ch=3,num_feat=8,num_block=1"
IMAGE = torch.rand(1, 3, 12, 13, generator=torch.Generator().manual_seed(0))


def equal(network, net):
    assert not network.net.training
    assert not any(parameter.requires_grad for parameter in network.net.parameters())
    torch.testing.assert_close(network.net(IMAGE), net(IMAGE).detach())
    return True


@pytest.fixture
def ssiu(sine_weights):
    return sine_weights(SSIU(**TINY))


def test_weights_of_an_ssiu_in_both_formats(ssiu, released_names, tmp_path):
    torch.save({"params": ssiu.state_dict()}, tmp_path / "ours.pth")
    torch.save({"model_state_dict": released_names(ssiu.state_dict())}, tmp_path / "theirs.pt")
    for name, path in (("ours", tmp_path / "ours.pth"), ("theirs", tmp_path / "theirs.pt")):
        found = from_weights(str(path))
        assert (found.name, found.channels, found.scale, found.weights) == (name, 3, 2, str(path))
        assert equal(found, ssiu)


def test_an_option_file_names_network_weights_and_their_key(sine_weights, tmp_path):
    net, other = sine_weights(EDSR(**SMALL_EDSR)), EDSR(**SMALL_EDSR)
    torch.save({"params": other.state_dict(), "params_ema": net.state_dict()}, tmp_path / "edsr.pth")
    opt = {
        "name": "my EDSR",
        "network_g": {"type": "EDSR", **SMALL_EDSR},
        "path": {"pretrain_network_g": str(tmp_path / "edsr.pth"), "param_key_g": "params_ema"},
    }
    (tmp_path / "edsr.yml").write_text(yaml.safe_dump(opt))
    found = from_options(str(tmp_path / "edsr.yml"))
    assert (found.name, found.channels, found.scale) == ("my EDSR", 3, 3)
    assert equal(found, net)


def test_an_option_file_of_an_ssiu_with_released_weights(ssiu, released_names, tmp_path):
    torch.save({"model_state_dict": released_names(ssiu.state_dict())}, tmp_path / "released.pt")
    opt = {
        "network_g": {"type": "SSIU", **TINY},
        "path": {"pretrain_network_g": str(tmp_path / "released.pt"), "param_key_g": "model_state_dict"},
    }
    (tmp_path / "ssiu.yml").write_text(yaml.safe_dump(opt))
    found = from_options(str(tmp_path / "ssiu.yml"))
    assert found.name == "ssiu"
    assert equal(found, ssiu)


@pytest.mark.parametrize("wrapped", [lambda weights: weights, lambda weights: {"params_ema": weights}])
def test_a_candidate_with_weights(sine_weights, tmp_path, wrapped):
    net = sine_weights(EDSR(**{**SMALL_EDSR, "upscale": 2}))
    torch.save(wrapped(net.state_dict()), tmp_path / "edsr.pth")
    found = from_candidate(EDSR_TEXT, str(tmp_path / "edsr.pth"), 2)
    assert (found.name, found.scale, found.weights) == (EDSR_TEXT, 2, str(tmp_path / "edsr.pth"))
    assert equal(found, net)


def test_a_network_of_windows_takes_any_size(sine_weights, tmp_path):
    net = sine_weights(SwinIR(upscale=2, **SMALL_SWINIR))
    torch.save({"params": net.state_dict()}, tmp_path / "swinir.pth")
    text = "SwinIR:window_size=8,depths=[2],num_heads=[2],embed_dim=8,upsampler=pixelshuffledirect"
    found = from_candidate(text, str(tmp_path / "swinir.pth"), 2)
    assert found.scale == 2
    assert found.net(IMAGE).shape == (1, 3, 24, 26)


def test_without_weights_they_are_random_and_it_is_said(tmp_path):
    (tmp_path / "random.yml").write_text(yaml.safe_dump({"network_g": {"type": "SSIU", **TINY}}))
    assert from_options(str(tmp_path / "random.yml")).weights is None
    assert from_candidate(EDSR_TEXT, None, 4).weights is None
    assert from_candidate("plain:num_feat=16,num_block=3", None, 2).scale == 2


def test_a_network_of_y_has_one_channel():
    assert from_candidate("ecbsr-m:num_block=1,num_channel=8", None, 2).channels == 1


BAD = {
    "the fast form": ("fused", None, "--network fused: the fast form and modes are for speed, without gradients"),
    "a mode": ("eager+bf16", None, "--network eager.bf16: the fast form and modes are for speed"),
    "other weights": (
        EDSR_TEXT,
        "ssiu.pth",
        f"--network {EDSR_TEXT}: weights .*ssiu.pth do not fit network_g: .*missing",
    ),
    "no weights there": (EDSR_TEXT, "none.pth", "weights .*none.pth: no such file"),
    "no enlarged image": ("VGGStyleDiscriminator:num_in_ch=3,num_feat=4", None, "cannot run on 16x16 pixels"),
    "a feature map": ("UNetDiscriminatorSN_basicsr:num_in_ch=2", None, "takes images of 2 channels; only RGB and Y"),
}


@pytest.mark.parametrize(("text", "file", "line"), BAD.values(), ids=BAD)
def test_what_cannot_be_attributed_is_said(ssiu, tmp_path, text, file, line):
    torch.save({"params": ssiu.state_dict()}, tmp_path / "ssiu.pth")
    with pytest.raises(UserError, match=line):
        from_candidate(text, file and str(tmp_path / file), 2)


def test_what_a_network_makes_must_be_an_image(monkeypatch):
    monkeypatch.setattr(EDSR, "forward", lambda self, x: x[:, :, :8, :8])
    with pytest.raises(UserError, match=r"makes \(1, 3, 8, 8\) of 16x16 pixels, which is no enlarged image"):
        from_candidate(EDSR_TEXT, None, 2)


def test_a_path_that_is_no_mapping(tmp_path):
    (tmp_path / "odd.yml").write_text("network_g: {type: SSIU, upscale: 2}\npath: x4.pth\n")
    with pytest.raises(UserError, match=r"odd.yml: path \('x4.pth'\) must hold options of its own"):
        from_options(str(tmp_path / "odd.yml"))
