"""The page's functions without a browser: the bytes of ``ssiu upscale``, limits, bad input."""

import re
import runpy
import socket

import numpy as np
import pytest
import torch
from PIL import Image

from ssiu_arch import SSIU
from ssiu_arch.integrations import web
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights.shipped import shipped


@pytest.fixture(scope="module")
def weights(sine_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.save({"params": sine_weights(SSIU(upscale=2, num_feat=8, num_block=3)).state_dict()}, path)
    return path


@pytest.fixture
def photos(tmp_path):
    """A photo on its side, a grey one of 16 bits, and one with alpha, a pixel high."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 20, 4), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels[..., :3]).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / "grey.png")
    Image.fromarray(pixels[:1]).save(tmp_path / "a [b].png")
    return [tmp_path / name for name in ("turned.jpg", "grey.png", "a [b].png")]


def test_the_bytes_are_those_of_ssiu_upscale(ssiu, weights, photos, tmp_path):
    code, _, err = ssiu("upscale", *photos, "-o", tmp_path / "out", "--weights", weights, "--quiet")
    assert code == 0, err
    for photo in photos:
        result = web.enlarged(photo, weights, tmp_path / "page")
        assert result.name == photo.name
        assert result.read_bytes() == (tmp_path / "out" / photo.name).read_bytes()


def test_before_and_after_are_upright_and_of_one_size(weights, photos, tmp_path, monkeypatch):
    for photo, size in zip(photos, ((24, 40), (40, 24), (40, 2)), strict=True):
        before, after = web.before_and_after(photo, web.enlarged(photo, weights, tmp_path / "page"))
        assert before.size == after.size == size
    grey = np.asarray(web.before_and_after(photos[1], photos[1])[1], int)
    stored = np.asarray(Image.open(photos[1]), int)
    assert np.array_equal(grey, np.stack([stored // 257] * 3, -1))
    monkeypatch.setattr(web, "PREVIEW", 10)
    assert web.before_and_after(photos[1], photos[1])[0].size == (10, 6)


def test_an_image_that_is_too_large_or_no_image(weights, photos, tmp_path, monkeypatch):
    (tmp_path / "broken.png").write_bytes(photos[1].read_bytes()[:60])
    with pytest.raises(UserError, match=r"broken\.png"):
        web.enlarged(tmp_path / "broken.png", weights, tmp_path / "page")
    monkeypatch.setattr(web, "MOST_PIXELS", 239)
    with pytest.raises(UserError, match=r"grey\.png: 20x12 is more than 239 pixels; .*ssiu upscale"):
        web.enlarged(photos[1], weights, tmp_path / "page")
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--port", "0"], "--port: '0'"),
        (["photo.png"], "unrecognized arguments: photo.png"),
        ([], r"gradio, .* pip install 'ssiu-arch\[web\]'"),
        (["--weights", "none.pth"], r"none\.pth: no such file"),
        (["--port", "{taken}"], r"--port \d+: .*choose another"),
        (["--host", "1.2.3.4"], r"--host 1\.2\.3\.4, .*choose another"),
    ],
)
def test_bad_input_is_one_line(ssiu, monkeypatch, arguments, line):
    monkeypatch.setattr("ssiu_arch.utils.extras.find_spec", lambda name: bool(arguments) or None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, out, err = ssiu("web", *(each.format(taken=taken.getsockname()[1]) for each in arguments))
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"ssiu web: .*{line}.*\n", err), err


def test_the_app_of_a_hosted_space_serves_other_machines(root, monkeypatch):
    given = []
    monkeypatch.setattr(web, "serve", lambda **options: given.append(options))
    runpy.run_path(str(root / "ssiu_arch/integrations/space/app.py"))
    assert given == [{"host": "0.0.0.0"}]


def test_a_page_offers_the_shipped_weights_and_ones_own(weights, monkeypatch):
    pytest.importorskip("gradio", reason="gradio, of the extra web, is not installed")
    site = web.page(weights)
    (radio,) = (block for block in site.blocks.values() if type(block).__name__ == "Radio")
    assert [value for _, value in radio.choices] == ["x2", "x3", "x4", "small.pth"]
    assert radio.value == "small.pth"
    assert {path: web.SCALES[path] for path in web.SCALES} == {f"x{scale}": shipped(scale) for scale in (2, 3, 4)}
    assert not site.analytics_enabled
