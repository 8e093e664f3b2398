"""Enlarging: equal to the network that was trained, in every type, with tiles, turned, in bounded memory."""

import numpy as np
import pytest
import torch

from ssiu_arch import SSIU, fuse
from ssiu_arch.inference import Upscaler, upscaler
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import size_text


def eager(net, image):
    """The eager network's result of ``(h, w, 3)`` in [0, 1], float32."""
    y = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32))[None]
    with torch.no_grad():
        return net(y)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("size", [(20, 30), (1, 1), (2, 90), (90, 1)], ids=lambda size: "{}x{}".format(*size))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8", "16"])
def test_equals_the_rounded_result_of_the_network(net, noise, dtype, size):
    image, top = noise(*size, 3, dtype), np.iinfo(dtype).max
    expected = np.round(eager(net, image / top).clip(0, 1).astype(np.float64) * top)
    found = Upscaler(net)(image)
    assert found.dtype == dtype
    difference = np.abs(found - expected)
    assert difference.max() <= (1 if dtype == np.uint8 else 4)
    assert (difference > 0).mean() < (0.01 if dtype == np.uint8 else 0.5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_stays_and_is_clamped(net, noise, dtype):
    image = (noise(20, 30) / 255).astype(dtype)
    found = Upscaler(net)(image)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, eager(net, image).clip(0, 1), atol=1e-5 if dtype != np.float16 else 1e-3)


def test_grey_is_the_luma_of_the_result(net, noise):
    grey = noise(20, 30, 1)
    x = eager(net, grey.repeat(3, 2) / 255).clip(0, 1)
    expected = np.round(255 * (x @ np.array([0.299, 0.587, 0.114])))[:, :, None]
    found = Upscaler(net)(grey)
    assert found.shape == (40, 60, 1)
    assert np.abs(found - expected).max() <= 1


def test_a_network_of_grey_images(sine_weights, noise):
    net = sine_weights(SSIU(2, num_in_ch=1, num_feat=16, num_block=3))
    grey = noise(20, 30, 1)
    expected = np.round(255 * eager(net, grey / 255).clip(0, 1))
    assert np.abs(Upscaler(net)(grey) - expected).max() <= 1
    with pytest.raises(UserError, match="weights are for grey images"):
        Upscaler(net)(noise(20, 30))


class TestSelfEnsemble:
    def test_is_the_mean_of_eight_turned_results(self, net, noise):
        image = noise(20, 30) / 255
        total = np.zeros((40, 60, 3))
        for flip in (lambda x: x, np.fliplr):
            for k in range(4):
                turned = np.rot90(flip(image), k)
                total += flip(np.rot90(eager(net, turned), -k))
        found = Upscaler(net, self_ensemble=True)(image)
        np.testing.assert_allclose(found, (total / 8).clip(0, 1), atol=1e-5)

    @pytest.mark.parametrize("turn", [np.rot90, np.fliplr, np.flipud], ids=["turned", "mirrored", "upside down"])
    def test_of_a_turned_image_is_turned(self, net, noise, turn):
        image, upscale = noise(20, 30) / 255, Upscaler(net, self_ensemble=True)
        np.testing.assert_allclose(upscale(turn(image)), turn(upscale(image)), atol=1e-5)
        assert np.abs(Upscaler(net)(turn(image)) - turn(Upscaler(net)(image))).max() > 1e-2


class TestTiles:
    def test_are_near_the_whole(self, net, noise):
        smooth = np.repeat(np.repeat(noise(10, 12), 10, 0), 10, 1)
        whole = Upscaler(net)(smooth).astype(int)
        difference = np.abs(Upscaler(net, tile=64)(smooth) - whole)
        assert 0 < difference.mean() < 0.1 * whole.std()

    def test_come_where_memory_is_short(self, net, noise, monkeypatch, caplog):
        monkeypatch.setattr(upscaler, "TILE", 64)
        upscale = Upscaler(net)
        monkeypatch.setattr(upscale.net, "fits", lambda y: False)
        image = noise(100, 80)
        with caplog.at_level("WARNING", logger="basicsr"):
            found = upscale(image)
        assert "80x100 pixels: " in caplog.text
        assert np.array_equal(found, Upscaler(net, tile=64)(image))

    def test_do_not_come_where_it_is_not(self, net, noise, monkeypatch):
        monkeypatch.setattr(upscaler, "tiled_bands", None)
        Upscaler(net)(noise(100, 80))


class TestMemory:
    @pytest.mark.parametrize(("self_ensemble", "bytes_a_sample"), [(False, 4), (True, 12)])
    def test_that_does_not_do_for_the_result_is_one_line(self, net, noise, monkeypatch, self_ensemble, bytes_a_sample):
        needed = 40 * 60 * 3 * bytes_a_sample
        upscale = Upscaler(net, self_ensemble=self_ensemble)
        monkeypatch.setattr(upscaler, "free_memory", lambda device: needed)
        upscale.bands(noise(20, 30))
        monkeypatch.setattr(upscaler, "free_memory", lambda device: needed - 1)
        with pytest.raises(UserError, match=rf"^30x20 pixels at x2 .* {size_text(needed)} .*cut"):
            upscale.bands(noise(20, 30))

    def test_bands_are_the_result_in_parts(self, net, noise):
        image = noise(200, 90)
        bands = list(Upscaler(fuse(net, strip=16)).bands(image))
        assert len(bands) > 3
        assert np.abs(np.concatenate(bands).astype(int) - Upscaler(net)(image)).max() <= 1


@pytest.mark.parametrize("options", [{}, {"tile": 64}, {"self_ensemble": True}, {"self_ensemble": True, "tile": 64}])
def test_shares_of_the_work_add_up_to_1(net, noise, options):
    shares = []
    Upscaler(net, **options)(noise(90, 40), shares.append)
    assert len(shares) >= (8 if "self_ensemble" in options else 1)
    assert min(shares) > 0
    assert sum(shares) == pytest.approx(1)


class TestResultsThatAreNotFinite:
    @pytest.fixture
    def overflowing(self, net):
        """A network whose features are within float32's range and beyond that of float16."""
        with torch.no_grad():
            net.head.weight.mul_(1e5)
        return net

    @pytest.mark.parametrize("options", [{}, {"tile": 32}, {"self_ensemble": True}], ids=str)
    def test_of_half_precision_are_those_of_float32(self, overflowing, noise, caplog, options):
        image, shares = noise(40, 30), []
        expected = Upscaler(overflowing, **options)(image)
        assert not caplog.records
        assert np.array_equal(Upscaler(overflowing, precision="fp16", **options)(image, shares.append), expected)
        assert "float32" in caplog.text
        assert sum(shares) == pytest.approx(1)

    def test_only_from_where_half_precision_overflows(self, net, noise, monkeypatch, caplog):
        image, half = noise(100, 30), Upscaler(net, precision="bf16")
        half.net = fuse(net, precision="bf16", strip=16)
        bands = [torch.from_numpy(band.transpose(2, 0, 1))[None] / 255 for band in half.bands(image)]
        bands[2] = bands[2] * float("nan")
        monkeypatch.setattr(half.net, "bands", lambda y: iter(bands))
        found, start = half(image), sum(band.shape[2] for band in bands[:2])
        exact = Upscaler(net)(image)
        assert np.array_equal(found[:start], torch.cat(bands[:2], 2)[0].permute(1, 2, 0).mul(255).round().numpy())
        assert np.abs(found[start:].astype(int) - exact[start:]).max() <= 1
        assert len(caplog.records) == 1

    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_of_float32_are_refused(self, net, noise, precision):
        with torch.no_grad():
            net.head.weight.mul_(float("inf"))
        with pytest.raises(UserError, match="not finite"):
            Upscaler(net, precision=precision)(noise(20, 30))


@pytest.mark.parametrize("options", [{}, {"tile": 32}, {"self_ensemble": True}], ids=str)
def test_bands_begun_in_inference_mode_are_continued_outside(net, noise, options):
    image, upscaler = noise(50, 20), Upscaler(fuse(net, strip=16), **options)
    with torch.inference_mode():
        bands = upscaler.bands(image)
        first = next(bands)
    assert np.array_equal(np.concatenate([first, *bands]), upscaler(image))


@pytest.mark.parametrize("value", [255, 0, 77])
def test_alpha_that_is_the_same_everywhere_stays(net, value):
    shares, image = [], np.full((5, 7, 2), value, np.uint8)
    found = Upscaler(net)(image, shares.append)
    assert (found[:, :, 1] == value).all()
    assert np.array_equal(found[:, :, :1], Upscaler(net)(image[:, :, :1]))
    assert sum(shares) == pytest.approx(1)


def test_the_image_given_stays(net, noise):
    image = noise(20, 30).astype(np.float32) / 255
    before = image.copy()
    Upscaler(net)(image)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("precision", ["bf16", "fp16", "tf32"])
def test_precision_is_that_of_the_optimised_form(net, noise, precision):
    image = noise(20, 30)
    assert np.array_equal(Upscaler(net, precision=precision)(image), Upscaler(fuse(net, precision=precision))(image))


@pytest.mark.parametrize(
    ("image", "line"),
    [
        (np.zeros((4, 4), np.uint8), r"image \(an array \(4, 4\)\) must be .*\(h, w, C\)"),
        (np.zeros((4, 4, 5), np.uint8), r"must be .*\(h, w, C\)"),
        (np.zeros((0, 4, 3), np.uint8), r"must be .*\(h, w, C\)"),
        (np.zeros((4, 4, 3), np.int32), r"image \(int32\) must be uint8, uint16, or floating point in \[0, 1\]"),
        (np.zeros((4, 4, 3), bool), r"image \(bool\) must be uint8"),
    ],
)
def test_arrays_that_are_no_images(net, image, line):
    for run in (Upscaler(net), Upscaler(net).bands):
        with pytest.raises(ValueError, match=line):
            run(image)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"tile": 31}, r"tile \(31\) must be 32 or more"),
        ({"precision": "fp8"}, r"precision \('fp8'\) must be one of"),
    ],
)
def test_bad_options(net, options, line):
    with pytest.raises(ValueError, match=line):
        Upscaler(net, **options)


def test_a_fused_network_keeps_its_own_precision(net):
    with pytest.raises(ValueError, match=r"precision \('bf16'\)"):
        Upscaler(fuse(net), precision="bf16")
