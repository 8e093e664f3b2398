"""The network: facts of SSIU's definition, sizes, types, checkpoint names."""

import copy
import inspect
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ssiu_arch.archs import ssiu_arch as arch
from ssiu_arch.archs.ssiu_arch import ESAM, MSGM, SAM, SSIU, LayerNorm, MoEFS, SSReM

TINY = {"upscale": 2, "num_feat": 16, "num_block": 3}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


class TestCost:
    @pytest.mark.parametrize(
        ("options", "count"),
        [
            ({"upscale": 2}, 777_827),
            ({"upscale": 3}, 798_627),
            ({"upscale": 4}, 794_467),
            ({"upscale": 4, "sparse_attention": False}, 788_707),
            ({"upscale": 4, "feature_selector": False}, 777_827),
        ],
    )
    def test_parameter_count_of_the_published_models(self, options, count):
        assert sum(p.numel() for p in SSIU(**options).parameters()) == count

    @pytest.mark.parametrize(("upscale", "printed"), [(2, 164), (3, 75), (4, 49)])
    def test_multiply_adds_of_the_published_models(self, upscale, printed):
        """Convolutions and matrix products on the padded input of a 1280x720 result; the paper does not pad."""
        from torch.nn.attention import SDPBackend, sdpa_kernel
        from torch.utils.flop_counter import FlopCounterMode

        with torch.device("meta"), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            SSIU(upscale=upscale)(torch.empty(1, 3, 720 // upscale, -(-1280 // upscale)))
        assert counter.get_total_flops() / 2e9 == pytest.approx(printed, rel=0.025)


class TestReferenceVectors:
    """Agreement with the authors' implementation, on random weights in the released format."""

    @pytest.fixture
    def released(self, golden):
        def build(upscale):
            held = torch.load(golden / f"released_format_x{upscale}.pt", weights_only=True)
            net = SSIU(upscale=upscale)
            net.load_state_dict(held["model_state_dict"])
            return net, np.load(golden / f"vectors_x{upscale}.npz")

        return build

    @pytest.mark.parametrize(("upscale", "size"), [(2, "48x64"), (3, "33x47"), (4, "17x90"), (4, "33x47")])
    def test_output(self, released, upscale, size):
        net, vectors = released(upscale)
        with torch.no_grad():
            output = net.eval()(torch.from_numpy(vectors[f"input_{size}"]))
        assert np.abs(output.numpy() - vectors[f"output_{size}"]).max() <= 1e-5

    @pytest.mark.parametrize("upscale", [2, 3, 4])
    def test_activations(self, released, upscale):
        net, vectors = released(upscale)
        seen = {}
        stage = net.stages[0]
        watched = {
            "head": net.head,
            "body.0.norm": stage.norm,
            "body.0.s1": stage.sparsity,
            "body.0.s2": stage.similarity,
            "body.0.s3": stage.attention,
            "body.0": stage,
            "moe": net.selector,
        }
        for name, module in watched.items():
            module.register_forward_hook(lambda m, i, out, name=name: seen.update({name: out.numpy()}))
        with torch.no_grad():
            net.eval()(torch.from_numpy(vectors["input_48x64"]))
        for name in watched:
            assert np.abs(seen[name] - vectors[f"act_{name}"]).max() <= 1e-5, name

    def test_losses_and_gradients(self, released):
        from ssiu_arch.losses.fft_loss import fft_l1

        net, vectors = released(4)
        output, gt = net(torch.from_numpy(vectors["train_input"])), torch.from_numpy(vectors["train_gt"])
        l1, fft = F.l1_loss(output, gt), fft_l1(output, gt)
        (l1 + 0.01 * fft).backward()

        assert l1.item() == pytest.approx(float(vectors["train_l1"]), rel=1e-5)
        assert fft.item() == pytest.approx(float(vectors["train_fft"]), rel=1e-5)
        norms = {name: parameter.grad.norm() for name, parameter in net.named_parameters()}
        expected = {k.removeprefix("gradnorm_"): torch.tensor(vectors[k]) for k in vectors if k.startswith("gradnorm_")}
        arch.rename_released(expected)
        assert norms.keys() == expected.keys()
        for name, norm in norms.items():
            assert norm.item() == pytest.approx(expected[name].item(), rel=1e-4), name

    @pytest.mark.parametrize(
        ("file", "options"), [("sam_x4", {"sparse_attention": False}), ("no_moe_x4", {"feature_selector": False})]
    )
    def test_ablations(self, golden, file, options):
        net = SSIU(**options).eval()
        net.load_state_dict(torch.load(golden / f"{file}_state_dict.pt", weights_only=True))
        vectors = np.load(golden / f"vectors_{file}.npz")
        with torch.no_grad():
            output = net(torch.from_numpy(vectors["input"]))
        assert np.abs(output.numpy() - vectors["output"]).max() <= 1e-5


# Corner, centre and last value of the result. Computed by this network after it had passed TestReferenceVectors; print
# the left side of the comparison to compute them again.
PINNED = {
    (2, True, True): [0.33444, 0.46892, 0.27409],
    (3, True, True): [0.90729, 1.40764, 2.42935],
    (4, True, True): [0.54540, 0.59116, 0.29294],
    (4, False, True): [0.68848, 0.54627, 0.13227],
    (4, True, False): [0.16017, 0.18464, 0.51153],
}


@pytest.mark.parametrize(("upscale", "sparse_attention", "feature_selector"), PINNED)
def test_output_of_formula_weights(sine_weights, upscale, sparse_attention, feature_selector):
    net = sine_weights(
        SSIU(upscale, num_feat=16, num_block=3, sparse_attention=sparse_attention, feature_selector=feature_selector)
    )
    y = 0.5 + 0.5 * torch.sin(torch.arange(3 * 19 * 22) * 0.37).reshape(1, 3, 19, 22)
    with torch.no_grad():
        x = net(y)
    found = [x[0, 0, 0, 0], x[0, 1, x.shape[2] // 2, x.shape[3] // 2], x[0, 2, -1, -1]]
    torch.testing.assert_close(
        torch.stack(found), torch.tensor(PINNED[upscale, sparse_attention, feature_selector]), atol=1e-4, rtol=1e-5
    )


class TestParts:
    def test_layer_norm_leaves_zero_mean_and_unit_biased_variance(self):
        x = torch.randn(2, 16, 5, 7, dtype=torch.float64) * 3 + 1
        out = LayerNorm(16).double()(x)
        torch.testing.assert_close(out.mean(1), torch.zeros(2, 5, 7).double(), atol=1e-12, rtol=0)
        torch.testing.assert_close(out.var(1, unbiased=False), torch.ones(2, 5, 7).double(), atol=1e-6, rtol=0)

    def test_layer_norm_eps(self):
        x = torch.tensor([0.0, 1e-3]).reshape(1, 2, 1, 1)  # variance 2.5e-7: eps 1e-6 rules
        expected = 0.5e-3 / math.sqrt(2.5e-7 + 1e-6)
        assert LayerNorm(2)(x)[0, 1].item() == pytest.approx(expected, rel=1e-5)

    def test_msgm_is_its_equation(self):
        m, x = MSGM(8), torch.randn(1, 8, 6, 5)
        depthwise = F.conv2d(F.pad(m.w3(x), [1] * 4, mode="reflect"), m.dw.weight, m.dw.bias, groups=8)
        exact_gelu = 0.5 * m.w1(x) * (1 + torch.erf(m.w1(x) / math.sqrt(2)))
        torch.testing.assert_close(m(x), m.wo(exact_gelu * m.w4(depthwise)), atol=1e-6, rtol=1e-5)

    @pytest.mark.parametrize("num_head", [1, 2, 4])
    def test_window_attention_against_a_loop_over_windows(self, num_head):
        """Every window, head and query by itself; zero keys outside the image take part, with their position."""
        sam = SAM(16, num_head).double()
        u = torch.randn(2, 16, 16, 24, dtype=torch.float64)
        with torch.no_grad():
            out = sam(u)
            q, k, v = (F.pad(part, [1] * 4) for part in sam.qkv(u).chunk(3, dim=1))
        d = 16 // num_head
        position = torch.zeros(10, 10, d, dtype=torch.float64)
        for row in range(10):
            for column in range(10):
                position[row, column] = torch.cat([sam.rel_h[0, row, 0], sam.rel_w[0, 0, column]]).detach()
        for b, top, left, h in [(0, 0, 0, 0), (1, 8, 16, num_head - 1), (0, 8, 8, 0)]:
            channels = slice(h * d, (h + 1) * d)
            keys = k[b, channels, top : top + 10, left : left + 10].permute(1, 2, 0) + position
            values = v[b, channels, top : top + 10, left : left + 10].permute(1, 2, 0)
            for row, column in [(0, 0), (3, 5), (7, 7)]:
                query = q[b, channels, top + 1 + row, left + 1 + column]
                weights = (keys @ query / math.sqrt(d)).flatten().softmax(0)
                expected = weights @ values.reshape(100, d)
                torch.testing.assert_close(out[b, channels, top + row, left + column], expected, atol=1e-12, rtol=1e-10)

    def test_window_attention_does_not_see_beyond_its_halo(self):
        sam, u = SAM(16, 4), torch.randn(1, 16, 16, 16)
        changed = u.clone()
        changed[..., :, 9:] += 1  # window 0 ends at column 7, its halo at 8
        torch.testing.assert_close(sam(u)[..., :8, :8], sam(changed)[..., :8, :8], atol=0, rtol=0)
        changed[..., :, 8] += 1
        assert not torch.equal(sam(u)[..., :8, :8], sam(changed)[..., :8, :8])

    def test_esam_is_its_equation(self):
        esam, u = ESAM(16, 4), torch.randn(1, 16, 16, 32)
        spread = esam.dw(SAM.forward(esam, F.max_pool2d(u, kernel_size=2, stride=2)))
        expected = F.interpolate(spread, scale_factor=2, mode="bilinear", align_corners=True)
        torch.testing.assert_close(esam(u), expected, atol=0, rtol=0)

    def test_stage_is_its_equations(self):
        s = SSReM(16, 4, sparse_attention=True)
        alpha, f_y = torch.randn(2, 1, 16, 16, 16).unbind()
        a = s.norm(alpha)
        beta = s.similarity(a)
        u = a + s.sparsity(a) + f_y
        refined = s.centralise(u + s.attention(u) - beta) + beta
        torch.testing.assert_close(s(alpha, f_y), s.ffn(refined) + refined, atol=0, rtol=0)

    def test_equal_experts_make_the_gates_irrelevant(self):
        select, f = MoEFS(16), torch.rand(1, 16, 8, 8)
        before = select([f, f, f])
        for gate in select.gates:
            torch.nn.init.normal_(gate.weight)
        torch.testing.assert_close(select([f, f, f]), before)  # the softmax weights sum to 1

    def test_a_dominant_gate_selects_its_expert(self):
        select, experts = MoEFS(16), list(torch.rand(3, 1, 16, 8, 8).unbind())
        torch.nn.init.constant_(select.gates[1].bias, 100.0)
        torch.testing.assert_close(select(experts), experts[1] + select.fuse(experts[1]))

    def test_experts_are_every_third_of_the_stages(self):
        net = SSIU(2, num_feat=16, num_block=6)
        outputs, taken = [], []
        for stage in net.stages:
            stage.register_forward_hook(lambda m, i, out: outputs.append(out))
        net.selector.register_forward_hook(lambda m, inputs, out: taken.extend(inputs[0]))
        net(torch.rand(1, 3, 16, 16))
        assert [next(n for n, out in enumerate(outputs, 1) if out is expert) for expert in taken] == [2, 4, 6]

    @pytest.mark.parametrize("size", [1, 2, 3, 5, 15, 16, 17, 33])
    def test_padding_reflects_to_and_fro(self, size):
        row = torch.arange(float(size))
        padded = arch.reflect_to_multiple(row.reshape(1, 1, 1, size), 16)
        target = -(-size // 16) * 16
        mode = "reflect" if size > 1 else "edge"
        assert padded.shape == (1, 1, 16, target)
        np.testing.assert_array_equal(padded[0, 0, 5].numpy(), np.pad(row.numpy(), (0, target - size), mode=mode))


class TestNetwork:
    @pytest.mark.parametrize(
        ("upscale", "size"), [(2, (1, 1)), (3, (1, 9)), (4, (7, 2)), (2, (16, 16)), (3, (17, 31)), (4, (1, 1))]
    )
    def test_any_size(self, upscale, size):
        net = SSIU(upscale, num_feat=16, num_block=3)
        out = net(torch.rand(1, 3, *size))
        assert out.shape == (1, 3, size[0] * upscale, size[1] * upscale)
        assert out.isfinite().all()

    @pytest.mark.parametrize("upscale", [2, 3, 4])
    def test_a_zeroed_last_convolution_leaves_the_bilinear_base(self, upscale):
        net, y = SSIU(upscale, num_feat=16, num_block=3), torch.rand(1, 3, 32, 16)
        torch.nn.init.zeros_(net.tail[-1].weight)
        torch.nn.init.zeros_(net.tail[-1].bias)
        expected = F.interpolate(y, scale_factor=upscale, mode="bilinear", align_corners=False)
        torch.testing.assert_close(net(y), expected, atol=0, rtol=0)

    def test_batch_items_are_independent(self):
        net, y = SSIU(**TINY), torch.rand(3, 3, 20, 24)
        torch.testing.assert_close(net(y)[1:2], net(y[1:2]), atol=1e-6, rtol=1e-5)

    def test_result_is_not_clamped(self):
        net = SSIU(**TINY)
        torch.nn.init.constant_(net.tail[-1].bias, 5.0)
        assert net(torch.rand(1, 3, 16, 16)).min() > 1

    def test_every_parameter_receives_a_gradient(self):
        net = SSIU(**TINY)
        net(torch.rand(1, 3, 16, 16)).square().mean().backward()
        assert not [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]

    @pytest.mark.parametrize(("dtype", "bar"), [(torch.bfloat16, 0.03), (torch.float16, 0.004)])
    def test_half_precision(self, dtype, bar):
        net, y = SSIU(**TINY).eval(), torch.rand(1, 3, 20, 24)
        with torch.no_grad():
            full, half = net(y), copy.deepcopy(net).to(dtype)(y.to(dtype))
        assert half.dtype == dtype
        assert (half.float() - full).abs().max() < bar

    def test_channels_last(self):
        net, y = SSIU(**TINY).eval(), torch.rand(2, 3, 20, 24)
        expected = net(y)
        out = net.to(memory_format=torch.channels_last)(y.to(memory_format=torch.channels_last))
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)

    def test_compiles_without_graph_breaks(self):
        net, y = SSIU(**TINY).eval(), torch.rand(1, 3, 20, 24)
        compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(y), net(y), atol=1e-5, rtol=1e-5)

    def test_exports_with_dynamic_height_and_width(self):
        net, dynamic = SSIU(**TINY).eval(), torch.export.Dim.DYNAMIC
        program = torch.export.export(net, (torch.rand(1, 3, 20, 24),), dynamic_shapes=({2: dynamic, 3: dynamic},))
        for size in [(20, 24), (33, 17), (64, 48)]:
            y = torch.rand(1, 3, *size)
            torch.testing.assert_close(program.module()(y), net(y), atol=1e-5, rtol=1e-5)

    def test_prints_nothing(self, capsys):
        SSIU(**TINY)(torch.rand(1, 3, 16, 16))
        assert capsys.readouterr() == ("", "")


class TestArguments:
    def test_signature_is_the_documented_one(self):
        defaults = {name: p.default for name, p in inspect.signature(SSIU).parameters.items()}
        assert defaults == {
            "upscale": None,
            "num_in_ch": 3,
            "num_feat": 64,
            "num_block": 9,
            "num_head": 4,
            "sparse_attention": True,
            "feature_selector": True,
            "scale": None,
        }

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"upscale": 1}, r"upscale \(1\) must be 2, 3 or 4"),
            ({"upscale": 8}, r"upscale \(8\) must be 2, 3 or 4"),
            ({"upscale": 4.0}, r"upscale \(4.0\) must be 2, 3 or 4"),
            ({"upscale": "4"}, r"upscale \('4'\) must be 2, 3 or 4"),
            ({"upscale": 2, "scale": 3}, r"upscale \(2\) and scale \(3\)"),
            ({"upscale": 4, "scale": 2}, r"upscale \(4\) and scale \(2\)"),
            ({"scale": 5}, r"upscale \(5\) must be 2, 3 or 4"),
            ({"num_feat": 10}, r"num_feat \(10\) must be divisible by twice num_head \(4\)"),
            ({"num_feat": 36, "num_head": 4}, r"num_feat \(36\) must be divisible by twice num_head \(4\)"),
            ({"num_feat": 0}, r"num_feat \(0\) must be a whole number, 1 to 4096"),
            ({"num_feat": 10**12}, r"num_feat \(10+\) must be a whole number, 1 to 4096"),
            ({"num_block": 10**12}, r"num_block \(10+\) must be a whole number, 1 to 4096"),
            ({"num_head": True}, r"num_head \(True\) must be a whole number, 1 to 4096"),
            ({"num_in_ch": -3}, r"num_in_ch \(-3\) must be a whole number, 1 to 4096"),
            ({"num_block": 5}, r"num_block \(5\) must be divisible by 3, or feature_selector must be false"),
            ({"num_block": 9.0}, r"num_block \(9.0\) must be a whole number, 1 to 4096"),
            ({"sparse_attention": "no"}, r"sparse_attention \('no'\) must be true or false"),
        ],
    )
    def test_wrong_arguments_are_named(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            SSIU(**arguments)

    def test_a_typo_fails(self):
        with pytest.raises(TypeError, match="num_feats"):
            SSIU(num_feats=64)

    def test_scale_is_another_word_for_upscale(self):
        assert SSIU(num_feat=16, num_block=3).upscale == 4
        assert SSIU(scale=3, num_feat=16, num_block=3).upscale == 3
        assert SSIU(upscale=2, scale=2, num_feat=16, num_block=3).upscale == 2

    def test_any_number_of_stages_without_the_selector(self):
        net = SSIU(2, num_feat=16, num_block=2, feature_selector=False)
        assert net(torch.rand(1, 3, 16, 16)).shape == (1, 3, 32, 32)

    @pytest.mark.parametrize("num_in_ch", [1, 4])
    def test_other_channels(self, num_in_ch):
        assert SSIU(**TINY, num_in_ch=num_in_ch)(torch.rand(1, num_in_ch, 16, 16)).shape == (1, num_in_ch, 32, 32)


class TestCheckpoint:
    STAGE = (
        "norm.weight",
        "norm.bias",
        "attention.rel_h",
        "attention.rel_w",
        "attention.qkv.weight",
        "attention.dw.weight",
        "attention.dw.bias",
    )
    MSGM_KEYS = tuple(f"{part}.{kind}" for part in ("w1", "w3", "dw", "w4", "wo") for kind in ("weight", "bias"))

    def test_names_are_our_file_format(self):
        stage = list(self.STAGE) + [
            f"{m}.{k}" for m in ("sparsity", "similarity", "centralise", "ffn") for k in self.MSGM_KEYS
        ]
        expected = {f"stages.{t}.{name}" for t in range(9) for name in stage}
        parts = [
            "head",
            "selector.gates.0",
            "selector.gates.1",
            "selector.gates.2",
            "selector.fuse",
            "tail.0",
            "tail.3",
            "tail.6",
        ]
        expected |= {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")}
        assert set(SSIU().state_dict()) == expected

    @pytest.mark.parametrize("options", [{}, {"sparse_attention": False}, {"feature_selector": False}])
    def test_released_names_load_strictly(self, released_names, options):
        source, target = SSIU(**TINY, **options), SSIU(**TINY, **options)
        released = released_names(source.state_dict())
        assert not released.keys() & source.state_dict().keys()
        target.load_state_dict(released, strict=True)
        y = torch.rand(1, 3, 16, 16)
        torch.testing.assert_close(target(y), source(y), atol=0, rtol=0)

    def test_loading_leaves_the_callers_dict_alone(self, released_names):
        released = released_names(SSIU(**TINY).state_dict())
        names = list(released)
        SSIU(**TINY).load_state_dict(released)
        assert list(released) == names

    def test_released_names_load_within_a_larger_module(self, released_names):
        outer = torch.nn.ModuleDict({"net": SSIU(**TINY)})
        other = torch.nn.ModuleDict({"net": SSIU(**TINY)})
        other.load_state_dict(
            {"net." + k.removeprefix("module."): v for k, v in released_names(outer["net"].state_dict()).items()}
        )
        torch.testing.assert_close(other["net"].head.weight, outer["net"].head.weight, atol=0, rtol=0)

    def test_a_missing_parameter_is_still_an_error(self, released_names):
        weights = released_names(SSIU(**TINY).state_dict())
        del weights["module.body.1.s3.qkv_conv.weight"]
        with pytest.raises(RuntimeError, match=r"stages\.1\.attention\.qkv\.weight"):
            SSIU(**TINY).load_state_dict(weights)


class TestAlone:
    def test_imports_nothing_of_this_package(self, root):
        source = (root / "ssiu_arch/archs/ssiu_arch.py").read_text()
        imports = {
            line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))
        }
        assert imports <= {"typing", "torch", "einops"}

    def test_a_second_copy_in_the_process_is_no_error(self, root):
        from basicsr.utils.registry import ARCH_REGISTRY

        registered = ARCH_REGISTRY.get("SSIU")
        scope = {"__name__": "dropped_in"}
        exec(compile((root / "ssiu_arch/archs/ssiu_arch.py").read_text(), "ssiu_arch.py", "exec"), scope)
        assert scope["SSIU"] is not registered
        assert ARCH_REGISTRY.get("SSIU") is registered
