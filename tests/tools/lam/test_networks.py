"""Networks and their weights, however they are named."""

import pytest
import torch
import yaml
from basicsr.archs.edsr_arch import EDSR

from ssiu_arch import SSIU
from ssiu_arch.tools.lam.networks import from_options, from_weights
from ssiu_arch.utils.errors import UserError

TINY = {"upscale": 2, "num_feat": 16, "num_block": 3}
SMALL_EDSR = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 3}
SMALL_SWINIR = {"window_size": 8, "depths": [2], "num_heads": [2], "embed_dim": 8, "upsampler": "pixelshuffledirect"}
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
        assert (found.name, found.scale, found.has_weights) == (name, 2, True)
        assert equal(found, ssiu)


@pytest.fixture
def options(tmp_path):
    """Write an option file: ``options({"type": "EDSR", ...}, name=..., path=...)`` gives its path."""

    def options(network, **sections):
        (tmp_path / "net.yml").write_text(yaml.safe_dump({"network_g": network, **sections}))
        return str(tmp_path / "net.yml")

    return options


def test_an_option_file_names_network_weights_and_their_key(sine_weights, tmp_path, options):
    net, other = sine_weights(EDSR(**SMALL_EDSR)), EDSR(**SMALL_EDSR)
    torch.save({"params": other.state_dict(), "params_ema": net.state_dict()}, tmp_path / "edsr.pth")
    paths = {"pretrain_network_g": str(tmp_path / "edsr.pth"), "param_key_g": "params_ema"}
    found = from_options(options({"type": "EDSR", **SMALL_EDSR}, name="my EDSR", path=paths))
    assert (found.name, found.scale, found.has_weights) == ("my EDSR", 3, True)
    assert equal(found, net)


def test_an_option_file_of_an_ssiu_with_released_weights(ssiu, released_names, tmp_path, options):
    torch.save({"model_state_dict": released_names(ssiu.state_dict())}, tmp_path / "released.pt")
    paths = {"pretrain_network_g": str(tmp_path / "released.pt"), "param_key_g": "model_state_dict"}
    found = from_options(options({"type": "SSIU", **TINY}, path=paths))
    assert found.name == "net"
    assert equal(found, ssiu)


def test_a_network_of_windows_takes_any_size(options):
    found = from_options(options({"type": "SwinIR", "upscale": 2, **SMALL_SWINIR}))
    assert (found.scale, found.has_weights) == (2, False)
    whole = torch.nn.functional.pad(IMAGE, (0, 3, 0, 4), "reflect")
    torch.testing.assert_close(found.net(IMAGE), found.net.net(whole)[..., :24, :26])


BAD = {
    "other weights": ({"type": "EDSR", **SMALL_EDSR}, "ssiu.pth", "weights .*ssiu.pth do not fit network_g: .*missing"),
    "no weights there": ({"type": "EDSR", **SMALL_EDSR}, "none.pth", "weights .*none.pth: no such file"),
    "a network of Y": ({"type": "EDSR", **SMALL_EDSR, "num_in_ch": 1}, None, "net: cannot run on RGB of 16x16"),
    "no type": ({"upscale": 2}, None, "network_g.type"),
    "an unknown network": ({"type": "Swin"}, None, "network_g.type: .*'Swin'"),
    "an unknown argument": ({"type": "EDSR", "blocks": 3}, None, "network_g.blocks: "),
    "no options": (None, None, "network_g"),
}


@pytest.mark.parametrize(("network", "file", "line"), BAD.values(), ids=BAD)
def test_what_cannot_be_attributed_is_said(ssiu, tmp_path, options, network, file, line):
    torch.save({"params": ssiu.state_dict()}, tmp_path / "ssiu.pth")
    with pytest.raises(UserError, match=line):
        from_options(options(network, path={"pretrain_network_g": file and str(tmp_path / file)}))


def test_what_a_network_makes_must_be_an_image(monkeypatch, options):
    monkeypatch.setattr(EDSR, "forward", lambda self, x: x[:, :, :8, :8])
    with pytest.raises(UserError, match=r"\(1, 3, 8, 8\) for 16x16 pixels"):
        from_options(options({"type": "EDSR", **SMALL_EDSR}))


def test_a_path_that_is_no_section(options):
    with pytest.raises(UserError, match=r"net.yml: .*path must be a section"):
        from_options(options({"type": "SSIU", "upscale": 2}, path="x4.pth"))
