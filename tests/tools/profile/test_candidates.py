"""Presets, option files, and candidates ready to run."""

import pytest
import torch
import yaml

from ssiu_arch.tools.profile.candidates import (
    FORMS,
    PRESETS,
    Candidate,
    Prepared,
    from_option_file,
    from_preset,
    scale_of,
)
from ssiu_arch.utils.errors import UserError

CPU = torch.device("cpu")
PUBLISHED = {  # parameters at x4
    "eager": 794_467,
    "fused": 794_467,
    "edsr-m": 1_517_571,
}


@pytest.mark.parametrize("name", ["eager", "fused", "swinir-light", "edsr-m", "ecbsr-m"])
def test_presets_build_with_the_published_parameters(name):
    net = from_preset(name, 4).build()
    assert not net.training
    parameters = sum(parameter.numel() for parameter in net.parameters())
    assert parameters == PUBLISHED.get(name, parameters)


def test_ecbsr_m_folded_has_the_published_multiply_adds():
    """35 G in Table I for 180x320 LR pixels: 3x3 convolutions, 1 channel to 64, 16 times 64 to 64, 64 to 16."""
    blocks = list(from_preset("ecbsr-m", 4).build().backbone)
    folded = sum(9 * block.in_channels * block.out_channels for block in blocks)
    assert round(folded * 180 * 320 / 1e9, 1) == 34.5


def test_windows_are_filled_and_the_result_cropped():
    net = from_preset("swinir-light", 4).build()
    seen = []
    net.net.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    y = torch.rand(1, 3, 9, 17)
    with torch.no_grad():
        assert net(y).shape == (1, 3, 36, 68)
    (padded,) = seen
    assert padded.shape == (1, 3, 16, 24)
    assert torch.equal(padded[:, :, :9, :17], y)
    assert torch.equal(padded[:, :, 9], padded[:, :, 7])


@pytest.mark.parametrize(
    ("name", "upscale"), [("eager", 2), ("fused", 3), ("swinir-light", 3), ("ecbsr-m", 4), ("edsr-m", 2)]
)
def test_any_size_is_enlarged_by_the_scale(name, upscale):
    prepared = Prepared(from_preset(name, upscale), CPU)
    x = prepared.input((9, 13), 2)
    assert prepared(x).shape == (2, x.shape[1], upscale * 9, upscale * 13)


def test_the_modes_of_ssiu_agree():
    outputs = {}
    for name in ("eager", "fused", "fused-strips", "fused-bf16"):
        prepared = Prepared(from_preset(name, 2), CPU)
        outputs[name] = prepared(prepared.input((40, 30), 1))
    for name, bound in (("fused", 1e-5), ("fused-strips", 1e-5), ("fused-bf16", 0.1)):
        torch.testing.assert_close(outputs[name], outputs["eager"], atol=bound, rtol=0)
    assert not torch.equal(outputs["fused-bf16"], outputs["fused"])


def test_modes_are_those_of_their_names():
    for name, form in FORMS.items():
        words = name.split("-")[1:]
        expected = {"compile": "compiled" in words, "cuda_graphs": "graphs" in words, "strip": 64 * ("strips" in words)}
        expected["precision"] = next((word for word in words if word in ("bf16", "fp16", "tf32")), None)
        assert form == {argument: value for argument, value in expected.items() if value}
    assert {name for name, preset in PRESETS.items() if preset.needs_gpu} == {
        name for name in PRESETS if "graphs" in name or "tf32" in name
    }


def test_the_network_of_an_option_file(root):
    candidate = from_option_file(str(root / "options/train_SSIU_x2.yml"), 2)
    assert candidate.arch == "SSIU"
    assert candidate.options["upscale"] == 2
    assert sum(p.numel() for p in candidate.build().parameters()) == 777_827


def test_the_scale_goes_to_networks_that_have_an_argument_for_it(tmp_path):
    named = {
        "a": {"type": "SRVGGNetCompact"},
        "b": {"type": "RIDNet", "in_channels": 1, "mid_channels": 8, "out_channels": 1},
    }
    for name, network in named.items():
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump({"network_g": network}))
    first, second = (from_option_file(str(tmp_path / f"{name}.yml"), 2) for name in named)
    assert first.options == {"upscale": 2}
    assert second.options.keys().isdisjoint({"upscale", "scale"})
    assert (first.channels, second.channels) == (3, 1)


def test_the_scale_of_option_files(root, tmp_path):
    (tmp_path / "a.yml").write_text("network_g: {type: RIDNet}\n")
    assert scale_of([str(tmp_path / "a.yml"), str(root / "options/train_SSIU_x3.yml")]) == 3
    assert scale_of([]) == 4


@pytest.mark.parametrize(
    ("name", "upscale", "line"),
    [
        ("eagr", 4, "eagr: .*did you mean eager"),
        ("Swin", 4, "Swin: .*-opt.*swinir-light"),
        ("eager", 5, "eager: .*scale 5.*--upscale 2 or 3 or 4"),
        ("fused-graphs", 4, "fused-graphs: .*--device cuda"),
        ("fused-tf32", 4, "fused-tf32: .*--device cuda"),
    ],
)
def test_presets_that_cannot_be(name, upscale, line):
    with pytest.raises(UserError, match=line):
        from_preset(name, upscale)


def test_inputs_are_random_and_the_same_for_every_candidate():
    tiny = {"num_feat": 8, "num_block": 3, "upscale": 4}
    x = Prepared(Candidate("a", "SSIU", tiny), CPU).input((20, 20), 2)
    assert 0 <= x.min() < 0.05 < 0.95 < x.max() <= 1
    assert not torch.equal(x[0], x[1])
    assert torch.equal(Prepared(Candidate("b", "SSIU", tiny, form={}), CPU).input((20, 20), 2), x)


def test_a_network_runs_without_tf32_and_without_gradients(tf32_allowed):
    prepared = Prepared(Candidate("a", "SSIU", {"num_feat": 8, "num_block": 3, "upscale": 4}), CPU)
    before, seen = tf32_allowed(), []
    prepared.device = torch.device("cuda")
    prepared.net = lambda x: seen.append((tf32_allowed(), torch.is_grad_enabled()))
    prepared(torch.zeros(1))
    assert seen == [([False, False], False)]
    assert tf32_allowed() == before
