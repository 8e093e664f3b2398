"""Networks and their weights, however they are named; the crop that networks see, and the patch in it."""

import numpy as np
import pytest
import torch
import yaml
from basicsr.archs.edsr_arch import EDSR

from ssiu_arch import SSIU
from ssiu_arch.data.resize import imresize
from ssiu_arch.tools.lam.inputs import from_options, from_weights, target
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
    "other weights": ({"type": "EDSR", **SMALL_EDSR}, "ssiu.pth", "weights .*ssiu.pth do not fit network_g: "),
    "no weights there": ({"type": "EDSR", **SMALL_EDSR}, "none.pth", "weights .*none.pth: no such file"),
    "a network of Y": ({"type": "EDSR", **SMALL_EDSR, "num_in_ch": 1}, None, "net: cannot run on RGB of 16x16"),
    "no type": ({"upscale": 2}, None, "network_g.type"),
    "an unknown network": ({"type": "Swin"}, None, "network_g.type: .*'Swin'"),
    "an unknown argument": ({"type": "EDSR", "blocks": 3}, None, "network_g .*blocks.*EDSR takes"),
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


PHOTO = np.random.default_rng(0).integers(0, 256, (40, 53, 3), np.uint8)
USUAL = {"is_hr": False, "scale": 2, "at": None, "patch": 6, "crop": 16}


def cut(image, x, y, width, height):
    return image[y : y + height, x : x + width]


@pytest.mark.parametrize("at", [(0, 0), (100, 74), (51, 33), (3, 70), (99, 1), (44, 45), None])
@pytest.mark.parametrize("crop", [8, 16, 17, 64])
def test_the_patch_of_the_crop_is_the_patch_of_the_whole(at, crop):
    found = target(PHOTO, **{**USUAL, "at": at, "crop": crop})
    np.testing.assert_array_equal(found.lr, cut(PHOTO, *found.crop))
    assert found.crop[2:] == (min(crop, 53), min(crop, 40))
    whole, part = (image.repeat(2, axis=0).repeat(2, axis=1) for image in (PHOTO, found.lr))
    expected = cut(whole, found.patch_of_whole.x, found.patch_of_whole.y, 6, 6)
    assert expected.shape == (6, 6, 3)
    np.testing.assert_array_equal(cut(part, found.patch.x, found.patch.y, 6, 6), expected)


def test_away_from_borders_the_patch_is_in_the_middle():
    found = target(PHOTO, **{**USUAL, "at": (50, 40)})  # LR columns 25 to 27, rows 20 to 22
    assert found.crop == (18, 13, 16, 16)
    assert found.patch == (14, 14, 6)


def test_without_a_place_the_patch_is_in_the_middle_of_the_result():
    assert target(PHOTO, **USUAL).patch_of_whole == (50, 37, 6)


def test_a_patch_across_lr_pixels_fits_a_crop_of_as_many():
    assert target(PHOTO, **{**USUAL, "at": (7, 9), "crop": 6, "patch": 10}).crop == (3, 4, 6, 6)
    with pytest.raises(UserError, match=r"--crop 5: smaller than the patch, .* 6 LR pixels"):
        target(PHOTO, **{**USUAL, "at": (7, 9), "crop": 5, "patch": 10})


def test_lr_is_made_of_the_whole_of_hr():
    found = target(PHOTO, **{**USUAL, "is_hr": True, "at": (30, 20), "crop": 8})
    lr = imresize(PHOTO[:, :52], 1 / 2)
    np.testing.assert_array_equal(found.lr, cut(lr, *found.crop))
    np.testing.assert_array_equal(found.hr, cut(PHOTO, *(2 * value for value in found.crop)))
    np.testing.assert_array_equal(cut(found.hr, *found.patch[:2], 6, 6), cut(PHOTO, 30, 20, 6, 6))


BAD_PLACES = {
    "beyond the right": ({"at": (101, 0)}, "--at 101 0: .* 6x6 .* 106x80"),
    "beyond the bottom": ({"at": (0, 75)}, "--at 0 75: "),
    "a large patch": ({"patch": 81}, "--patch 81: .* 106x80"),
    "a small crop": ({"crop": 4}, "is 4x4 LR pixels, .* needs 5: give a larger"),
    "a tiny HR image": ({"is_hr": True, "scale": 54}, "--patch 6: .* 0x0"),
}


@pytest.mark.parametrize(("changes", "line"), BAD_PLACES.values(), ids=BAD_PLACES)
def test_a_patch_that_does_not_fit_is_said(changes, line):
    with pytest.raises(UserError, match=line):
        target(PHOTO, **{**USUAL, **changes})
