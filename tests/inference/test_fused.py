import importlib.util
import logging
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from ssiu_arch import SSIU
from ssiu_arch.archs import ssiu_arch as arch
from ssiu_arch.archs.ssiu_arch import SAM
from ssiu_arch.inference import fuse
from ssiu_arch.inference import fused as module
from ssiu_arch.inference.bands import Bands
from ssiu_arch.inference.blocks import Attention, Parts
from ssiu_arch.inference.strips import Rows, up2_rows
from ssiu_arch.inference.whole import whole

TINY = {"num_feat": 16, "num_block": 3}
VARIANTS = {
    "x2": {"upscale": 2},
    "x3": {"upscale": 3},
    "x4": {"upscale": 4},
    "SAM": {"sparse_attention": False},
    "no MoE-FS": {"feature_selector": False, "num_block": 4},
    "one head, grey": {"num_head": 1, "num_in_ch": 1},
}
WAYS = ["stage by stage", "by strips of 16", "by strips of 48", "at once"]


@pytest.fixture(params=VARIANTS)
def net(request, sine_weights):
    return sine_weights(SSIU(**{**TINY, **VARIANTS[request.param]}))


@pytest.fixture
def tiny(sine_weights):
    return sine_weights(SSIU(**TINY))


def fused_by(way, net, **options):
    """The optimised form of ``net``, which computes in one way alone."""
    if way.startswith("by strips"):
        options["strip"] = int(way.split()[-1])
    fused = fuse(net, **options)
    fused.compiles = way == "at once"  # which is how a compiled one computes
    return fused


def image(net, *size, batch=1):
    return torch.rand(batch, net.head.in_channels, *size, generator=torch.Generator().manual_seed(0))


def eager(net, y):
    with torch.no_grad():
        return net(y)


@pytest.mark.parametrize(
    ("way", "size"),
    [
        *((way, size) for way in WAYS for size in [(1, 1), (100, 40)]),
        (WAYS[0], (17, 33)),
        (WAYS[1], (16, 16)),
        (WAYS[2], (16, 33)),
        (WAYS[3], (17, 16)),
    ],
    ids=str,
)
def test_equals_the_network(net, way, size):
    y = image(net, *size, batch=2)
    expected = eager(net, y)
    torch.testing.assert_close(fused_by(way, net)(y), expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


@pytest.mark.parametrize(("upscale", "way"), [(2, WAYS[0]), (3, WAYS[1]), (4, WAYS[3])])
def test_reference_vectors(golden, upscale, way):
    net, vectors = SSIU(upscale), np.load(golden / f"vectors_x{upscale}.npz")
    net.load_state_dict(torch.load(golden / f"released_format_x{upscale}.pt", weights_only=True)["model_state_dict"])
    found = fused_by(way, net)(torch.from_numpy(vectors["input_33x47"]))
    assert np.abs(found.numpy() - vectors["output_33x47"]).max() <= 1e-5


def test_features_of_little_contrast(tiny):
    """What LN divides by is its eps rather than their variance."""
    for parameter in tiny.head.parameters():
        parameter.data *= 1e-3
    y = image(tiny, 20, 20)
    torch.testing.assert_close(fuse(tiny)(y), eager(tiny, y), atol=1e-5, rtol=1e-5)


def test_compiled_for_one_size_then_for_all(tiny):
    torch.compiler.reset()
    fused = fuse(tiny, compile={"backend": "eager", "fullgraph": True})
    for size in [(16, 16), (40, 24), (20, 100)]:
        y = image(tiny, *size)
        torch.testing.assert_close(fused(y), eager(tiny, y), atol=1e-5, rtol=1e-5)


def test_bands_are_the_result_from_the_top(net):
    y = image(net, 75, 20)
    expected = eager(net, y)
    for strip in (None, 16):
        bands = list(fuse(net, strip=strip).bands(y))
        assert len(bands) > 1 or strip is None
        torch.testing.assert_close(torch.cat(bands, 2), expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


def test_the_interpolated_image_is_exact_far_down_at_x3(sine_weights):
    """Where positions are large, their rounding shows: 1/3 has no exact float."""
    parts, y = fuse(sine_weights(SSIU(3, **TINY))).parts, torch.rand(1, 3, 3200, 16)
    expected = F.interpolate(y, scale_factor=3, mode="bilinear", align_corners=False)
    bands = Bands(parts, y, 16)
    found = torch.cat([bands._base(lo, lo + 160) for lo in range(0, 3200, 160)], dim=2)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


def test_a_copy_of_the_class_in_a_fork(tiny):
    spec = importlib.util.spec_from_file_location("fork_ssiu_arch", arch.__file__)
    fork = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fork)
    net = fork.SSIU(**TINY)
    net.load_state_dict(tiny.state_dict())
    y = image(tiny, 20, 20)
    assert torch.equal(fuse(net)(y), fuse(tiny)(y))


def test_dtype_and_input_stay(tiny):
    y = image(tiny, 20, 20).double()
    before = y.clone()
    assert fuse(tiny)(y).dtype == torch.float64
    assert torch.equal(y, before)


def test_nothing_of_it_is_trained(tiny):
    fused = fuse(tiny)
    assert not list(fused.parameters())
    assert not fused(image(tiny, 16, 16).requires_grad_()).requires_grad


class TestWeights:
    def test_are_copies(self, tiny):
        fused, y = fuse(tiny), image(tiny, 20, 20)
        before = fused(y)
        tiny.stages[0].norm.weight.data += 1
        assert torch.equal(fused(y), before)

    def test_refresh_takes_over_new_ones(self, tiny):
        fused, y = fuse(tiny, precision="bf16"), image(tiny, 20, 20)
        for parameter in tiny.parameters():
            parameter.data *= 1.1
        fused.refresh(tiny)
        assert torch.equal(fused(y), fuse(tiny, precision="bf16")(y))


class TestMemory:
    def rows_kept(self, monkeypatch, net, height):
        """Bytes of all maps that one image needs, by strips."""
        maps, init = [], Rows.__init__

        def note(self, *args, **options):
            init(self, *args, **options)
            maps.append(self)

        monkeypatch.setattr(Rows, "__init__", note)
        fuse(net, strip=16)(image(net, height, 16))
        monkeypatch.undo()
        return sum(rows.storage.nbytes for rows in maps)

    def test_by_strips_does_not_grow_with_the_height(self, monkeypatch, tiny):
        assert self.rows_kept(monkeypatch, tiny, 300) == self.rows_kept(monkeypatch, tiny, 600)

    def test_by_strips_nine_stages_keep_rows_not_maps(self, monkeypatch, sine_weights):
        net = sine_weights(SSIU(num_feat=16))
        assert self.rows_kept(monkeypatch, net, 800) < 1700 * 18 * 16 * 4  # of 18 pixels of 16 numbers of 4 bytes

    def test_stage_by_stage_keeps_seven_maps_at_most(self, monkeypatch, sine_weights):
        net = sine_weights(SSIU(num_feat=16, num_block=9))
        largest, storages, init = 0, [], Rows.__init__

        def note(self, *args, **options):
            nonlocal largest
            init(self, *args, **options)
            storages.append(self.storage)
            largest = sum(storage.nbytes for storage in storages)

        monkeypatch.setattr(Rows, "__init__", note)
        fuse(net)(image(net, 160, 160))
        assert largest <= 7.3 * 162 * 162 * 16 * 4

    @pytest.mark.parametrize(("free", "ways"), [(2**40, ["stage by stage", "by strips of 96 rows"]), (0, [])])
    def test_decides_the_way(self, monkeypatch, tiny, free, ways):
        monkeypatch.setattr(module, "free_memory", lambda device: free)
        monkeypatch.setattr(module.FusedSSIU, "_strip", lambda self, padded: 96)
        found = [way for way, _ in fuse(tiny)._ways(image(tiny, 160, 160))]
        assert found == [*(ways or ["by strips of 96 rows"]), "by strips of 48 rows", "by strips of 16 rows"]

    @pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
    def test_where_it_runs_out_the_next_way_follows(self, monkeypatch, caplog, tiny, error):
        monkeypatch.setattr(Bands, "by_stage", self.raises(error))
        y = image(tiny, 40, 20)
        with caplog.at_level(logging.WARNING, logger="basicsr"):
            found = fuse(tiny)(y)
        torch.testing.assert_close(found, eager(tiny, y), atol=1e-5, rtol=1e-5)
        assert "not enough memory stage by stage, trying by strips of" in caplog.text

    def test_where_the_last_way_runs_out_it_is_raised(self, monkeypatch, tiny):
        for way in ("by_stage", "by_wave"):
            monkeypatch.setattr(Bands, way, self.raises(torch.OutOfMemoryError("CUDA out of memory")))
        with pytest.raises(torch.OutOfMemoryError):
            fuse(tiny)(image(tiny, 40, 20))

    def test_other_errors_are_raised(self, monkeypatch, tiny):
        monkeypatch.setattr(Bands, "by_stage", self.raises(RuntimeError("shapes do not match")))
        with pytest.raises(RuntimeError, match="shapes do not match"):
            fuse(tiny)(image(tiny, 40, 20))

    @staticmethod
    def raises(error):
        def by(self):
            raise error
            yield

        return by


class TestPrecision:
    @pytest.mark.parametrize("precision", ["bf16", "fp16"])
    def test_half_is_close(self, sine_weights, precision):
        net = SSIU(**TINY).eval()
        y = image(net, 48, 40)
        noise = (fuse(net, precision=precision)(y) - eager(net, y)).square().mean()
        assert 1e-12 < noise < 1e-5  # something was rounded; 50 dB

    @pytest.mark.parametrize("way", ["stage by stage", "by strips of 16", "at once"])
    def test_no_step_hides_that_half_precision_overflows(self, tiny, way):
        """Upscaler computes a result that is not finite in float32: no infinite value may get lost on the way.

        Except in the gates: their softmax makes 0 of minus infinity, as it does of such a value in float32.
        """
        fused, y, hidden = fused_by(way, tiny, precision="fp16"), image(tiny, 16, 16), []
        for name, weight in fused.parts.named_buffers():
            if "gates" in name or name.startswith(("stages.1", "stages.2")):  # as stages.0
                continue
            first, weight.view(-1)[0] = weight.view(-1)[0].clone(), float("inf")
            if fused(y).isfinite().all():
                hidden.append(name)
            weight.view(-1)[0] = first
        assert fused(y).isfinite().all()
        assert hidden == []

    @pytest.mark.parametrize("precision", ["bf16", "fp16"])
    @pytest.mark.parametrize("way", ["stage by stage", "at once"])
    def test_the_interpolated_image_is_not_rounded(self, tiny, precision, way):
        torch.nn.init.zeros_(tiny.tail[-1].weight)
        torch.nn.init.zeros_(tiny.tail[-1].bias)
        y = image(tiny, 32, 32)
        base = F.interpolate(y, scale_factor=4, mode="bilinear")
        torch.testing.assert_close(fused_by(way, tiny, precision=precision)(y), base, atol=1e-6, rtol=0)

    def test_autocast_around_it_changes_nothing(self, tiny):
        fused, y = fuse(tiny), image(tiny, 20, 20)
        expected = fused(y)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(fused(y), expected)
            assert torch.equal(torch.cat(list(fused.bands(y)), 2), expected)

    def test_each_step_of_bands_is_in_its_own_precision(self, monkeypatch, tiny):
        inside, seen = [], []

        @contextmanager
        def note(device, allowed):
            inside.append(allowed)
            yield
            inside.pop()

        monkeypatch.setattr(module, "own_precision", note)
        shallow = Bands._shallow
        monkeypatch.setattr(Bands, "_shallow", lambda self, *args: (seen.append(list(inside)), shallow(self, *args))[1])
        fused = fuse(tiny, precision="tf32")
        fused(image(tiny, 16, 16))
        for _ in fused.bands(image(tiny, 16, 16)):
            assert not inside  # the caller's time
        assert seen == [[True], [True]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp8"}, r"precision \('fp8'\) must be one of fp32, tf32, bf16, fp16"),
        ({"strip": 20}, r"strip \(20\) must be a multiple of 16, or None"),
        ({"strip": 0}, r"strip \(0\) must be"),
        ({"strip": 16.0}, r"strip \(16.0\) must be"),
        ({"precision": ["bf16"]}, r"precision \(\['bf16'\]\) must be"),
        ({"compile": "max-autotune"}, r"compile \('max-autotune'\) must be true, false or arguments"),
        ({"cuda_graphs": "yes"}, r"cuda_graphs \('yes'\) must be true or false"),
        ({"strip": 16, "compile": True}, "strip goes with neither compile nor cuda_graphs"),
    ],
)
def test_bad_options(tiny, options, message):
    with pytest.raises(ValueError, match=message):
        fuse(tiny, **options)


def test_a_wrapped_network(tiny):
    with pytest.raises(ValueError, match=r"net \(DataParallel\) must be an SSIU"):
        fuse(torch.nn.DataParallel(tiny))


@pytest.mark.parametrize(
    "y",
    [
        torch.zeros(3, 16, 16),
        torch.zeros(1, 4, 16, 16),
        torch.zeros(0, 3, 16, 16),
        torch.zeros(1, 3, 0, 16),
        torch.zeros(1, 3, 16, 16, dtype=torch.uint8),
    ],
    ids=["no batch", "channels", "empty batch", "empty image", "whole numbers"],
)
def test_bad_images(tiny, y):
    for run in (fuse(tiny), fuse(tiny).bands):
        with pytest.raises(ValueError, match=r"must be \(B, 3, h, w\) in \[0, 1\]"):
            run(y)


def test_bands_are_of_one_image(tiny):
    with pytest.raises(ValueError, match="must be one image"):
        fuse(tiny).bands(torch.zeros(2, 3, 16, 16))


def test_bands_have_the_images_dtype_and_no_gradient(tiny):
    bands = list(fuse(tiny).bands(image(tiny, 20, 20).double().requires_grad_()))
    assert {band.dtype for band in bands} == {torch.float64}
    assert not any(band.requires_grad for band in bands)


@pytest.mark.parametrize(("free", "way"), [(2**40, "by_stage"), (0, "by_wave")])
def test_bands_go_by_the_free_memory(monkeypatch, tiny, free, way):
    called = []
    for name in ("by_stage", "by_wave"):
        by = getattr(Bands, name)
        monkeypatch.setattr(Bands, name, lambda self, by=by, name=name: (called.append(name), by(self))[1])
    monkeypatch.setattr(module, "free_memory", lambda device: free)
    list(fuse(tiny).bands(image(tiny, 20, 20)))
    assert called == [way]


def test_ways_by_the_maps_they_need(monkeypatch, tiny):
    y, fused = image(tiny, 64, 64, batch=8), fuse(tiny)
    fused.compiles = True
    one = 64 * 64 * 16 * 4

    def first(free):
        monkeypatch.setattr(module, "free_memory", lambda device: free)
        return next(fused._ways(y))[0]

    assert first(8 * 30 * one + 1) == "at once"
    assert first(8 * 30 * one) == "stage by stage"
    assert first(14 * one + 2) == "stage by stage"  # of one image, whatever the batch
    assert first(14 * one).startswith("by strips")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"compile": True}, {}),
        ({"compile": {"mode": "max-autotune"}}, {"mode": "max-autotune"}),
        ({"cuda_graphs": True}, {"backend": "cudagraphs", "dynamic": False}),
        ({"cuda_graphs": True, "compile": True}, {"mode": "reduce-overhead"}),
        ({"cuda_graphs": True, "compile": {"dynamic": True}}, {"mode": "reduce-overhead", "dynamic": True}),
        ({"cuda_graphs": True, "compile": {"mode": "max-autotune"}}, {"mode": "max-autotune"}),
    ],
)
def test_what_torch_compile_is_asked_for(monkeypatch, tiny, options, expected):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda function, **options: asked.append(options) or function)
    fuse(tiny, **options)
    assert asked == [expected]


def test_cuda_graphs_off_a_gpu_compile_nothing(monkeypatch, tiny):
    fused, y = fuse(tiny, cuda_graphs=True), image(tiny, 20, 16)
    monkeypatch.setattr(fused, "_whole", lambda *args: pytest.fail("compiled"))
    torch.testing.assert_close(fused(y), eager(tiny, y), atol=1e-5, rtol=1e-5)


def test_refresh_by_another_network_changes_nothing(tiny, sine_weights):
    fused, y = fuse(tiny), image(tiny, 16, 16)
    before = fused(y)
    with pytest.raises(ValueError, match="net must have the options"):
        fused.refresh(sine_weights(SSIU(num_feat=8, num_block=3)))
    assert torch.equal(fused(y), before)


def test_derived_in_inference_mode_it_can_be_refreshed_outside(tiny):
    with torch.inference_mode():
        fused = fuse(tiny)
    fused.refresh(tiny)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_torchs_default_dtype_does_not_matter(tiny, dtype):
    y = image(tiny, 40, 24)
    expected = fuse(tiny)(y)
    up2_rows.cache_clear()
    torch.set_default_dtype(dtype)
    try:
        assert torch.equal(fuse(tiny)(y), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_on_a_gpu_attention_has_few_heads(monkeypatch):
    """A kernel of CUDA's takes 65535 at most; windows are its batch."""
    seen = []

    def attend(q, k, v, scale):
        seen.append(q.shape)
        return v[:, :, : q.shape[2]]

    class OnCuda(torch.Tensor):
        is_cuda = True

    monkeypatch.setattr(F, "scaled_dot_product_attention", attend)
    attention = Attention(SAM(16, 4))
    attention(torch.zeros(1, 18, 26, 16).as_subclass(OnCuda))
    assert seen == [(2 * 3 * 4, 1, 64, 4)]


def test_attention_on_a_gpu_never_passes_the_largest_batch_of_a_kernel(monkeypatch):
    """An image that exists by its shape only, as on a GPU."""
    seen, attend = [], F.scaled_dot_product_attention

    def note(q, keys, values, scale):
        seen.append(len(q))
        return attend(q, keys, values, scale=scale)

    monkeypatch.setattr(F, "scaled_dot_product_attention", note)
    with FakeTensorMode():
        parts = Parts(SSIU(2, num_feat=16, num_block=3)).to("cuda")
        assert whole(parts, torch.empty(1, 3, 2064, 2064, device="cuda")).shape == (1, 3, 4128, 4128)
    assert seen == [65535, 129**2 * 4 - 65535] * 3


def test_attention_in_two_calls_equals_one():
    generator = torch.Generator().manual_seed(0)
    q, keys, values = (torch.rand(65538, rows, 4, generator=generator) for rows in (2, 3, 3))
    expected = (q @ keys.transpose(1, 2)).softmax(dim=2) @ values
    torch.testing.assert_close(Attention._by_cuda(q, keys, values)[:, 0], expected, atol=1e-6, rtol=0)


class TestFits:
    def test_what_there_is_memory_for(self, net):
        assert fuse(net).fits(image(net, 20, 20))

    def test_not_where_memory_is_short(self, net, monkeypatch):
        monkeypatch.setattr(module, "free_memory", lambda device: 1000)
        assert not fuse(net).fits(image(net, 20, 20))

    def test_by_strips_the_height_does_not_count(self, tiny, monkeypatch):
        """Memory that does for strips of an image does for those of one ten times as high, not as wide."""
        fused = fuse(tiny, strip=16)
        low, high, wide = (torch.empty(1, 3, 1, 1).expand(1, 3, *size) for size in ((64, 64), (640, 64), (64, 640)))
        enough = next(2**n for n in range(16, 40) if self.fits(fused, low, 2**n, monkeypatch))
        assert self.fits(fused, high, enough, monkeypatch)
        assert not self.fits(fused, wide, enough, monkeypatch)

    def fits(self, fused, y, free, monkeypatch):
        monkeypatch.setattr(module, "free_memory", lambda device: free)
        return fused.fits(y)
