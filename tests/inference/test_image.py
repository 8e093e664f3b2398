"""``ssiu_arch.upscale``: what is given comes back enlarged, of the same kind."""

import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

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
    exif[271], exif[315] = "Maker", 13 * "?"
    stored = exif.tobytes().replace(13 * b"?", "José Núñez".encode())  # Pillow writes ASCII alone
    Image.fromarray(noise(12, 20)).save(tmp_path / "a.jpg", exif=stored, icc_profile=b"profile")
    with Image.open(tmp_path / "a.jpg") as image:
        found = ssiu_arch.upscale(image, net)
    assert (found.info["icc_profile"], found.info["exif"]) == (b"profile", stored)


@pytest.mark.parametrize("mode", ["RGB", "LA", "I;16"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_pillow_image_becomes_upright(net, noise, mode, orientation):
    """Its pixels are those of the image that viewers show, and no tag says to turn them again."""
    samples = noise(6, 10, 1, np.uint16)[:, :, 0] if mode == "I;16" else noise(6, 10, len(mode)).squeeze()
    image = Image.fromarray(samples)
    assert image.mode == mode
    image.getexif()[274] = orientation
    found = ssiu_arch.upscale(image, net)
    expected = ssiu_arch.upscale(np.asarray(ImageOps.exif_transpose(image)), net)
    assert np.array_equal(np.asarray(found), expected)
    assert found.getexif().get(274, 1) == 1


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
    for kind in (np.uint16, np.float16, np.float32, np.float64):
        native = (image if kind == np.uint16 else image / 255).astype(kind)
        found = ssiu_arch.upscale(native.astype(np.dtype(kind).newbyteorder(">")), net)
        assert found.dtype == np.dtype(kind).newbyteorder(">")
        assert np.array_equal(found, ssiu_arch.upscale(native, net))
    grey = image[:, :, 0]
    assert np.array_equal(ssiu_arch.upscale(np.asmatrix(grey), net), ssiu_arch.upscale(grey, net))


@pytest.mark.parametrize("wrapped", [None, {}, torch.nn.Identity()])
def test_what_is_no_network(wrapped, noise):
    with pytest.raises(ValueError, match=r"net \(\w+\) must be an SSIU"):
        ssiu_arch.upscale(noise(4, 4), wrapped)


@pytest.mark.parametrize(
    ("image", "line"),
    [
        ([[1, 2]], r"image \(list\) must be a Pillow image or an array \(h, w\), or \(h, w, C\)"),
        ("a.png", r"image \(str\) must be"),
        (np.zeros(5, np.uint8), r"image \(an array \(5,\)\) must be"),
        (np.zeros((1, 3, 8, 8), np.uint8), r"image \(an array \(1, 3, 8, 8\)\)"),
        (np.zeros((3, 8, 8), np.uint8), r"image \(an array \(3, 8, 8\)\)"),
        (np.zeros((8, 8, 0), np.uint8), r"\(8, 8, 0\)"),
        (np.zeros((8, 0), np.uint8), r"\(8, 0, 1\)\) must be .* h and w not 0"),
        (np.zeros((0, 8, 4), np.uint8), r"\(0, 8, 4\)\) must be .* h and w not 0"),
        (np.full((8, 8), np.nan), r"NaN or infinite.*nan_to_num"),
        (np.where(np.eye(8), np.inf, 0), r"NaN or infinite.*nan_to_num"),
        (np.full((8, 8, 3), 255.0), r"from 255 to 255.*\[0, 1\].*divide it by 255 or 65535"),
        (np.full((8, 8, 3), -0.01, np.float32), r"from -0.01 to -0.01.*clip"),
        (np.dstack([np.zeros((8, 8, 3)), np.full((8, 8), 255.0)]), r"from 0 to 255"),
        (np.zeros((8, 8), np.int64), r"image \(int64\) must be uint8"),
    ],
)
def test_what_is_no_image(net, image, line):
    with pytest.raises(ValueError, match=line):
        ssiu_arch.upscale(image, net)


@pytest.mark.parametrize(("mode", "said"), [("F", "float samples"), ("I", "32-bit samples"), ("LAB", "mode LAB")])
def test_modes_that_are_not_upscaled(net, mode, said):
    with pytest.raises(UserError, match=f"image: has .*{said}, not read; export"):
        ssiu_arch.upscale(Image.new(mode, (8, 8)), net)
