"""Spelling, presets, forms."""

import pytest
import torch

from ssiu_arch.tools.profile.candidates import PRESETS, from_option_file, parse
from ssiu_arch.tools.profile.forms import Prepared, for_result, padded
from ssiu_arch.tools.profile.plain import PlainSSIU

CPU = torch.device("cpu")
PUBLISHED = {  # parameters at x4
    "eager": 794_467,
    "plain": 794_467,
    "fused": 794_467,
    "edsr-m": 1_517_571,
    "edsr-l": 43_089_923,
    "rcan": 15_592_355,
    "srresnet": 1_517_571,
    "rrdbnet": 16_697_987,
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build(name):
    net = parse(name, 4).build()
    assert not net.training
    assert sum(parameter.numel() for parameter in net.parameters()) == PUBLISHED.get(name, 0) or name not in PUBLISHED


def test_ecbsr_m_folded_has_the_published_multiply_adds():
    """35 G in Table I for 180x320 pixels of LR: 3x3 convolutions, 1 channel to 64, 16 times 64 to 64, 64 to 16."""
    blocks = list(parse("ecbsr-m", 4).build().backbone)
    folded = sum(9 * block.in_channels * block.out_channels for block in blocks)
    assert round(folded * 180 * 320 / 1e9, 1) == 34.5


def test_windows_are_filled_and_the_result_cropped():
    candidate = parse("swinir-light", 4)
    net = padded(candidate.build(), candidate.multiple)
    seen = []
    net.net.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    y = torch.rand(1, 3, 9, 17)
    with torch.no_grad():
        assert net(y).shape == (1, 3, 36, 68)
    (whole,) = seen
    assert whole.shape == (1, 3, 16, 24)
    assert torch.equal(whole[:, :, :9, :17], y)
    assert torch.equal(whole[:, :, 9], whole[:, :, 7])


@pytest.mark.parametrize("upscale", [2, 3, 4])
@pytest.mark.parametrize("name", ["eager", "plain", "fused", "swinir-light", "ecbsr-m", "srresnet"])
def test_any_size_is_enlarged_by_the_scale(name, upscale):
    prepared = Prepared(parse(name, upscale), CPU)
    x = prepared.input((9, 13), 2)
    with prepared.settings():
        assert prepared(x).shape == (2, x.shape[1], upscale * 9, upscale * 13)


def test_the_forms_of_ssiu_agree(tiny):
    outputs = []
    for name in ("eager", "plain", "fused"):
        prepared = Prepared(parse(f"{name}:{tiny}", 2), CPU)
        with prepared.settings():
            outputs.append(prepared(prepared.input((20, 30), 1)))
    torch.testing.assert_close(outputs[1], outputs[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(outputs[2], outputs[0], atol=1e-5, rtol=0)


def test_arguments_of_a_preset_are_replaced():
    candidate = parse("eager:num_feat=16,sparse_attention=false", 3)
    assert candidate.options == {"num_feat": 16, "sparse_attention": False, "upscale": 3}
    assert candidate.row is None  # Table I is about another network
    assert parse("eager", 3).row == "SSIU"
    assert parse("edsr-m:num_block=8", 4).options == {"num_in_ch": 3, "num_out_ch": 3, "num_block": 8, "upscale": 4}


def test_values_are_those_of_option_files():
    spelled = "SwinIR:depths=[2, 3],num_heads=[6, 6],upsampler=nearest+conv,img_range=1.,ape=true,embed_dim=60+bf16"
    candidate = parse(spelled, 2)
    assert candidate.options == {
        "depths": [2, 3],
        "num_heads": [6, 6],
        "upsampler": "nearest+conv",
        "img_range": 1.0,
        "ape": True,
        "embed_dim": 60,
        "upscale": 2,
    }
    assert (candidate.precision, candidate.modes) == ("bf16", ("bf16",))


def test_modes():
    candidate = parse("fused+fp16+graphs+strip32", 4, device="cuda")
    assert (candidate.form, candidate.precision, candidate.strip) == ("fused", "fp16", 32)
    assert "graphs" in candidate.modes


def test_networks_without_a_scale_of_their_own_get_none():
    assert parse("SRVGGNetCompact_basicsr", 4).options == {"upscale": 4}
    assert (
        parse("RIDNet:in_channels=3,mid_channels=8,out_channels=3", 4).options.keys().isdisjoint({"upscale", "scale"})
    )


def test_option_files(root):
    candidate = from_option_file(str(root / "options/train_SSIU_x2.yml"), 2)
    assert candidate.arch == "SSIU"
    assert candidate.options["upscale"] == 2
    assert sum(p.numel() for p in candidate.build().parameters()) == 777_827


@pytest.mark.parametrize("spelled", ["eager+bf16", "eager+channels_last", "edsr-m+bf16", "swinir-light+channels_last"])
def test_precision_and_layout_are_those_of_network_and_input(spelled):
    prepared = Prepared(parse(spelled, 4), CPU)
    x = prepared.input((8, 16), 1)
    dtype = torch.bfloat16 if "bf16" in spelled else torch.float32
    assert {x.dtype} == {parameter.dtype for parameter in prepared.net.parameters()} == {dtype}
    layout = torch.channels_last if "channels_last" in spelled else torch.contiguous_format
    weight = next(p for p in prepared.net.parameters() if p.dim() == 4 and p.shape[2] == 3)
    assert x.is_contiguous(memory_format=layout)
    assert weight.is_contiguous(memory_format=layout)


def test_inputs_are_random_and_the_same_for_every_form():
    x = Prepared(parse("eager", 4), CPU).input((20, 20), 2)
    assert 0 <= x.min() < 0.05 < 0.95 < x.max() <= 1
    assert not torch.equal(x[0], x[1])
    torch.testing.assert_close(Prepared(parse("plain", 4), CPU).input((20, 20), 2), x, atol=0, rtol=0)


def test_the_plain_form_is_what_runs():
    assert isinstance(Prepared(parse("plain", 4), CPU).net, PlainSSIU)


@pytest.mark.parametrize("precision", ["tf32", "fp32", "bf16"])
def test_tf32_is_allowed_while_such_a_candidate_runs_alone(tf32_allowed, precision):
    before = tf32_allowed()
    with Prepared(parse(f"eager+{precision}", 4, device="cuda"), CPU).settings():
        assert tf32_allowed() == [precision == "tf32"] * 2
    assert tf32_allowed() == before


@pytest.mark.parametrize(("upscale", "size"), [(2, (360, 640)), (3, (240, 427)), (4, (180, 320))])
def test_sizes_of_a_result(upscale, size):
    assert for_result(720, 1280, upscale) == size
