import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ssiu_arch import SSIU
from ssiu_arch.inference import tiled, tiled_bands


def nearest(y):
    """A network that sees one pixel: tiles change nothing."""
    return F.interpolate(y, scale_factor=2)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 150), st.integers(1, 150), st.integers(32, 70), st.integers(0, 16))
def test_weights_add_up_to_one_everywhere(h, w, tile, overlap):
    y = torch.rand(1, 3, h, w)
    torch.testing.assert_close(tiled(nearest, y, upscale=2, tile=tile, overlap=overlap), nearest(y))


def test_a_tile_is_never_larger_than_asked_for():
    sizes = set()

    def net(y):
        sizes.add(y.shape[2:])
        return nearest(y)

    tiled(net, torch.rand(1, 3, 100, 47), upscale=2, tile=48, overlap=8)
    assert (48, 47) in sizes
    assert max(sizes) == (48, 47)


def test_one_tile_is_the_whole(sine_weights):
    net, y = sine_weights(SSIU(2, num_feat=16, num_block=3)), torch.rand(1, 3, 40, 30)
    with torch.no_grad():
        assert torch.equal(tiled(net, y, upscale=2, tile=64), net(y))


def test_seams_are_blended():
    """Tiles that disagree by 1 meet in a ramp: no step is larger than its slope."""
    level = iter([0.0, 1.0])
    x = tiled(
        lambda y: torch.full_like(nearest(y), next(level)), torch.rand(1, 3, 32, 80), upscale=2, tile=48, overlap=16
    )
    step = x.diff(dim=3)
    assert (step >= 0).all()
    assert step.max() < 1.01 / 31
    assert (x[..., :64] == 0).all()
    assert (x[..., -64:] == 1).all()


def test_tiles_start_where_windows_do():
    starts = []
    y = torch.arange(200.0).expand(1, 3, 40, 200)
    tiled(lambda part: (starts.append(int(part[0, 0, 0, 0])), nearest(part))[1], y, upscale=2, tile=64, overlap=8)
    assert starts == [0, 48, 96, 144]


def test_half_precision_is_summed_in_float32_and_comes_back():
    y = torch.rand(1, 3, 150, 150).half()
    x = tiled(nearest, y, upscale=2, tile=40, overlap=16)
    assert x.dtype == torch.float16
    assert torch.equal(x, nearest(y))


def test_no_tile_keeps_its_gradients():
    net = torch.nn.Conv2d(3, 3, 1)
    assert not tiled(lambda y: nearest(net(y)), torch.rand(1, 3, 40, 40), upscale=2, tile=32).requires_grad


class TestOutOfMemory:
    def net(self, largest, error=torch.OutOfMemoryError):
        self.calls = []

        def net(y):
            self.calls.append(y.shape[3])
            if y.shape[3] > largest:
                raise error("CUDA out of memory")
            return nearest(y)

        return net

    def test_tiles_are_halved(self, caplog):
        y = torch.rand(1, 3, 200, 200)
        with caplog.at_level("WARNING", logger="basicsr"):
            x = tiled(self.net(70), y, upscale=2, tile=200)
        torch.testing.assert_close(x, nearest(y))
        assert self.calls[:2] == [200, 100]
        assert max(self.calls[2:]) == 50
        assert "not enough memory for tiles of 200, trying 100" in caplog.text

    def test_the_smallest_tiles_error_is_raised(self):
        with pytest.raises(torch.OutOfMemoryError):
            tiled(self.net(10), torch.rand(1, 3, 200, 200), upscale=2, tile=128)
        assert self.calls == [128, 64, 32]

    def test_other_errors_are_not_taken_for_it(self):
        with pytest.raises(RuntimeError):
            tiled(self.net(10, RuntimeError), torch.rand(1, 3, 200, 200), upscale=2, tile=128)
        assert self.calls == [128]


@pytest.mark.parametrize(("tile", "overlap"), [(31, 0), (64, 33), (64, -1), (64.0, 8)])
def test_bad_sizes(tile, overlap):
    with pytest.raises(ValueError, match=rf"tile \({tile}\) must be 32 or more, overlap \({overlap}\) 0 to "):
        tiled(nearest, torch.rand(1, 3, 8, 8), upscale=2, tile=tile, overlap=overlap)


@pytest.mark.parametrize("size", [(40, 30), (150, 70), (97, 200)], ids=lambda size: "{}x{}".format(*size))
def test_bands_are_the_tiled_result_from_the_top(sine_weights, size):
    net, y = sine_weights(SSIU(2, num_feat=16, num_block=3)), torch.rand(1, 3, *size)
    options = {"upscale": 2, "tile": 64, "overlap": 16}
    bands = list(tiled_bands(net, y, **options))
    assert len(bands) == max(-(-(size[0] - 64) // 48), 0) + 1
    assert {band.shape[3] for band in bands} == {2 * size[1]}
    assert torch.equal(torch.cat(bands, 2), tiled(net, y, **options))


def test_bands_of_a_network_with_gradients_have_none():
    net = torch.nn.Conv2d(3, 3, 1)
    bands = tiled_bands(lambda y: nearest(net(y)), torch.rand(1, 3, 80, 40), upscale=2, tile=32)
    assert not any(band.requires_grad for band in bands)


def test_bands_of_tiles_are_of_the_images_type():
    bands = tiled_bands(nearest, torch.rand(1, 3, 80, 40, dtype=torch.float64), upscale=2, tile=32, overlap=8)
    assert {band.dtype for band in bands} == {torch.float64}
