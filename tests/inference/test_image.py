"""``ssiu_arch.upscale``: what is given comes back enlarged, of the same kind."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

import ssiu_arch
from ssiu_arch.inference import Upscaler
from ssiu_arch.inference import upscaler as module
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import load
from ssiu_arch.weights.shipped import shipped


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_arrays_keep_type_and_channels(net, noise, channels, dtype):
    image = noise(12, 20, channels or 1)
    image = image.astype(dtype) / np.float32(255) if dtype == np.float32 else image.astype(dtype)
    upscaler = Upscaler(net)
    found = ssiu_arch.upscale(image if channels else image[:, :, 0], upscaler)
    assert found.dtype == dtype
    assert found.shape == ((24, 40, channels) if channels else (24, 40))
    found = found if channels else found[:, :, None]
    colours = {None: 1, 1: 1, 2: 1, 3: 3, 4: 3}[channels]
    assert np.array_equal(found[:, :, :colours], upscaler(image[:, :, :colours]))
    if channels in (2, 4):
        assert np.array_equal(found[:, :, colours:], upscaler(image[:, :, colours:]))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pillow_images_keep_their_mode(net, noise, mode):
    samples = noise(12, 20, len(mode) if mode != "L" else 1).squeeze()
    found = ssiu_arch.upscale(Image.fromarray(samples), net)
    assert found.mode == mode
    assert np.array_equal(np.asarray(found), ssiu_arch.upscale(samples, net))


@pytest.mark.parametrize(("mode", "becomes"), [("1", "L"), ("P", "RGB")])
def test_pillow_images_that_have_no_values_between(net, noise, mode, becomes):
    image = Image.fromarray(noise(12, 20)).convert(mode)
    found = ssiu_arch.upscale(image, net)
    assert found.mode == becomes
    assert np.array_equal(np.asarray(found), ssiu_arch.upscale(np.asarray(image.convert(becomes)), net))


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_pillow_images_of_16_bit(net, noise, mode):
    samples = noise(12, 20, 1, np.uint16)[:, :, 0]
    image = Image.frombytes(mode, (20, 12), samples.astype("<u2" if mode == "I;16" else ">u2").tobytes())
    image.info["icc_profile"] = b"profile"
    found = ssiu_arch.upscale(image, net)
    assert found.mode == "I;16"
    assert np.array_equal(np.asarray(found), ssiu_arch.upscale(samples, net))
    assert found.info == {"icc_profile": b"profile"}


def test_profile_and_exif_of_a_pillow_image(tmp_path, net, noise):
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    Image.fromarray(noise(12, 20)).save(tmp_path / "a.jpg", exif=exif, icc_profile=b"profile")
    with Image.open(tmp_path / "a.jpg") as image:
        found = ssiu_arch.upscale(image, net)
    assert found.size == (40, 24)
    assert found.info["icc_profile"] == b"profile"
    assert dict(found.getexif()) == {271: "Maker", 274: 6}


def test_networks_in_every_form(net, weights, noise):
    image = noise(12, 20)
    expected = ssiu_arch.upscale(image, net)
    for given in (weights, str(weights), ssiu_arch.fuse(net), Upscaler(net)):
        assert np.array_equal(ssiu_arch.upscale(image, given), expected)


@pytest.mark.parametrize("scale", [None, 2, 3, 4])
def test_without_a_network_it_is_that_of_the_shipped_weights(noise, scale):
    image = noise(8, 12)
    found = ssiu_arch.upscale(image, scale=scale)
    assert found.shape == (8 * (scale or 4), 12 * (scale or 4), 3)
    assert np.array_equal(found, ssiu_arch.upscale(image, shipped(scale or 4)))


def test_another_scale_than_that_of_the_weights(net, weights, noise):
    image = noise(8, 12)
    assert ssiu_arch.upscale(image, net, scale=2).shape == (16, 24, 3)
    for given in (net, weights, Upscaler(net)):
        with pytest.raises(ValueError, match=r"scale \(4\).* x2"):
            ssiu_arch.upscale(image, given, scale=4)


def test_a_file_of_weights_is_read_once_and_again_when_it_changes(weights, noise, monkeypatch):
    read = []
    monkeypatch.setattr(module, "load", lambda path: read.append(path) or load(path))
    image = noise(8, 12)
    module._network.cache_clear()
    first = ssiu_arch.upscale(image, weights)
    assert np.array_equal(ssiu_arch.upscale(image, str(weights)), first)
    assert read == [weights]
    held = torch.load(weights)
    held["params"]["tail.3.bias"] += 0.1
    torch.save(held, weights)
    os.utime(weights, (1, 1))
    assert not np.array_equal(ssiu_arch.upscale(image, weights), first)
    assert read == [weights, weights]


def test_options_are_the_upscalers(net, noise):
    image = noise(12, 20)
    expected = Upscaler(net, self_ensemble=True)(image)
    assert np.array_equal(ssiu_arch.upscale(image, net, self_ensemble=True), expected)
    with pytest.raises(ValueError, match=r"options \(tile\)"):
        ssiu_arch.upscale(image, Upscaler(net), tile=64)
    with pytest.raises(TypeError, match="colour"):
        ssiu_arch.upscale(image, net, colour=1)


def test_arrays_as_they_lie_in_memory(net, noise):
    image = noise(24, 40)
    image.flags.writeable = False
    views = [image, image[::2, ::-1], image[:, :, ::-1], image.transpose(1, 0, 2), np.asfortranarray(image)]
    for view in views:
        assert np.array_equal(ssiu_arch.upscale(view, net), ssiu_arch.upscale(view.copy(order="C"), net))


@pytest.mark.parametrize(
    ("image", "line"),
    [
        ([[1, 2]], r"image \(list\) must be a Pillow image or an array \(h, w\), or \(h, w, C\) with 1 to 4 channels"),
        ("a.png", r"image \(str\) must be"),
        (np.zeros(5, np.uint8), r"image \(an array \(5,\)\) must be"),
        (np.zeros((1, 3, 8, 8), np.uint8), r"image \(an array \(1, 3, 8, 8\)\)"),
        (np.zeros((3, 8, 8), np.uint8), r"image \(an array \(3, 8, 8\)\)"),
        (np.zeros((8, 8, 0), np.uint8), r"\(8, 8, 0\)"),
        (np.zeros((8, 0), np.uint8), r"must be \(h, w, 3\) or \(h, w, 1\)"),
        (np.zeros((8, 8), np.int64), r"image \(int64\) must be uint8"),
    ],
)
def test_what_is_no_image(net, image, line):
    with pytest.raises(ValueError, match=line):
        ssiu_arch.upscale(image, net)


@pytest.mark.parametrize("mode", ["CMYK", "F", "I", "HSV"])
def test_modes_that_are_not_upscaled(net, mode):
    with pytest.raises(UserError, match=f"image: .*mode {mode}; export"):
        ssiu_arch.upscale(Image.new(mode, (8, 8)), net)
