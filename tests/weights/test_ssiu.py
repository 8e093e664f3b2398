"""The weights of an SSIU: recognised, checked against the network, loaded."""

import pytest
import torch

import ssiu_arch
from ssiu_arch.archs.ssiu_arch import SSIU, rename_released
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import read_ssiu, ssiu_options
from ssiu_arch.weights.ssiu import find_ssiu
from ssiu_arch.weights.writing import FORMATS, as_bytes

TINY = {"upscale": 2, "num_feat": 16, "num_block": 3}
OPTIONS = [
    {"upscale": 2},
    {"upscale": 3, "num_feat": 24, "num_head": 2},
    {"upscale": 4, "num_block": 6, "num_in_ch": 1},
    {"upscale": 4, "sparse_attention": False},
    {"upscale": 2, "num_block": 2, "feature_selector": False},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_options_are_read_from_the_weights_themselves(options, released_names):
    options = {
        "num_in_ch": 3,
        "num_feat": 16,
        "num_block": 3,
        "num_head": 4,
        "sparse_attention": True,
        "feature_selector": True,
        **options,
    }
    weights = SSIU(**options).state_dict()
    assert ssiu_options(weights) == options
    released = released_names(weights)
    rename_released(released)
    assert ssiu_options(released) == options


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"conv_first.weight": torch.ones(1)},
        {"head.weight": torch.ones(4, 3, 3, 3), "tail.0.weight": torch.ones(16, 4, 1, 1)},
        *(
            {
                "head.weight": torch.ones(shapes[0]),
                "tail.0.weight": torch.ones(shapes[1]),
                "stages.0.attention.rel_h": torch.ones(shapes[2]),
            }
            for shapes in (
                [(), (16, 4, 1, 1), (1, 10, 1, 2)],
                [(0, 3, 3, 3), (16, 4, 1, 1), (1, 10, 1, 2)],
                [(4, 3, 3, 3), (16,), (1, 10, 1, 2)],
                [(4, 3, 3, 3), (16, 4, 1, 1), (1, 10, 1, 0)],
            )
        ),
    ],
)
def test_weights_of_another_network_have_no_options(weights):
    assert ssiu_options(weights) is None


@pytest.fixture
def saved(tmp_path, sine_weights):
    """The file of a small SSIU whose weights a function has changed, under ``params``."""

    def save(change=lambda weights: weights):
        weights = sine_weights(SSIU(**TINY)).state_dict()
        torch.save({"params": change(weights) or weights}, tmp_path / "x2.pth")
        return tmp_path / "x2.pth"

    return save


def stage_moved(weights):
    for name in [name for name in weights if name.startswith("stages.2.")]:
        weights[name.replace("stages.2.", "stages.999999.")] = weights.pop(name)


def many_stages(weights):
    weights |= {f"stages.{t}.norm.weight": torch.ones(1) for t in range(3, 999)}


FIT = "do not fit an SSIU: "
MISFITS = {
    "a parameter missing": (lambda w: [w.pop("head.bias"), None][1], FIT + r"1 parameters missing \(head.bias\)"),
    "a parameter too many": (lambda w: w.update(extra=torch.ones(1)), FIT + r"1 parameters unknown \(extra\)"),
    "a shape": (lambda w: w.update({"head.bias": torch.ones(8)}), FIT + r"1 param.*head.bias is \(8,\) .*\(16,\)"),
    "a scale": (lambda w: w.update({"tail.0.weight": torch.ones(400, 16, 1, 1)}), FIT + r"upscale \(5\) must be 2, 3"),
    "whole numbers": (
        lambda w: w.update({"head.bias": torch.ones(16).int()}),
        r"head.bias is torch.int32",
    ),
    "a stage missing": (
        lambda w: {k: v for k, v in w.items() if not k.startswith("stages.1.")},
        FIT + r"47 parameters missing \(stages.1.norm.weight, stages.1.\S+, stages.1.\S+, \.\.\.\)$",
    ),
    "a stage far away": (stage_moved, FIT + r"they name 1000000 stages"),
    "thousands of stages": (many_stages, FIT + r"they name 999 stages"),
    "another network": (lambda w: {"a": torch.ones(1), "b": torch.ones(1)}, r"SSIU.* a, b$"),
    "two dialects": (
        lambda w: w.update({"module.head.bias": w["head.bias"]}),
        r"1 parameters appear twice",
    ),
    "a list": (lambda w: [1], r"params is a list, not a tensor"),
    "nothing": (lambda w: {"params": None} and w.clear(), r"params: is empty"),
    "a number": (lambda w: w.update({"head.bias": 0.5}), r"params: head.bias is a float, not a tensor"),
    "a name that is none": (lambda w: w.update({7: torch.ones(1)}), r"params: 7, a int, is not a parameter name"),
    "a sparse tensor": (
        lambda w: w.update({"head.bias": torch.ones(16).to_sparse()}),
        r"head.bias is not a dense",
    ),
    "a tensor of nothing": (
        lambda w: w.update({"head.bias": torch.ones(16, device="meta")}),
        r"is not a dense CPU tensor \(.*meta",
    ),
    "a claim": (
        lambda w: w.update({"head.weight": torch.ones(1).expand(10**6, 3, 3, 3)}),
        r"head.weight claims 27,000,000 values",
    ),
}


@pytest.mark.parametrize(("change", "message"), MISFITS.values(), ids=MISFITS)
def test_weights_that_do_not_fit(saved, change, message):
    path = saved(change)
    with pytest.raises(UserError, match=message) as refused:
        ssiu_arch.load(path)
    assert str(refused.value).startswith(f"weights {path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_network(tmp_path, sine_weights, suffix):
    net = sine_weights(SSIU(**TINY))
    path = tmp_path / f"x2{suffix}"
    path.write_bytes(as_bytes(net.state_dict(), suffix))
    loaded = ssiu_arch.load(path)
    assert not loaded.training
    image = torch.rand(1, 3, 11, 13, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(loaded(image), net(image))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_network_is_of_float32_whatever_the_file_is_of(saved, sine_weights, dtype):
    loaded = ssiu_arch.load(saved(lambda weights: {name: value.to(dtype) for name, value in weights.items()}))
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    for name, value in sine_weights(SSIU(**TINY)).state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.to(dtype).float())


def test_nor_does_torchs_default_count(saved):
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        loaded = ssiu_arch.load(saved())
    finally:
        torch.set_default_dtype(before)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_weights_come_in_the_order_of_the_network(saved):
    path = saved(lambda weights: dict(sorted(weights.items())))
    weights, options = read_ssiu(path)
    assert list(weights) == list(SSIU(**options).state_dict())


def test_params_ema_goes_before_params_and_a_key_before_both(tmp_path, sine_weights):
    weights = sine_weights(SSIU(**TINY)).state_dict()
    averaged = {name: value + 1 for name, value in weights.items()}
    path = tmp_path / "x2.pth"
    torch.save({"params": weights, "params_ema": averaged}, path)
    assert torch.equal(read_ssiu(path)[0]["head.bias"], averaged["head.bias"])
    assert torch.equal(read_ssiu(path, "params")[0]["head.bias"], weights["head.bias"])
    with pytest.raises(UserError, match=r"no 'best' in it; it holds params, params_ema$"):
        read_ssiu(path, "best")


def test_sets_of_unknown_names_are_named_and_taken_by_them(tmp_path, sine_weights):
    weights = sine_weights(SSIU(**TINY)).state_dict()
    path = tmp_path / "x2.ckpt"
    torch.save({"epoch": 3, "best": weights, "last": weights}, path)
    with pytest.raises(UserError, match=r"x2.ckpt: .*as the key: best, last$"):
        read_ssiu(path)
    assert torch.equal(read_ssiu(path, "best")[0]["head.bias"], weights["head.bias"])


WRAPPED = {
    "module._orig_mod.": "module._orig_mod.",
    "_orig_mod.module.": "_orig_mod.module.",
    "net_g._orig_mod.": "net_g._orig_mod.",
    "a stage compiled alone": "",
}


@pytest.mark.parametrize("within", [("model",), ("state_dict",), ("net",), ("model", "params_ema"), ("gan", "best")])
@pytest.mark.parametrize("prefix", WRAPPED.values(), ids=WRAPPED)
def test_the_only_weights_are_found_wherever_they_are(tmp_path, sine_weights, within, prefix):
    weights = sine_weights(SSIU(**TINY)).state_dict()
    held = {f"{prefix or '_orig_mod.'}{n}".replace("stages.1.", "stages.1._orig_mod."): v for n, v in weights.items()}
    for name in reversed(within):
        held = {name: held, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(())}}}}
    torch.save(held, tmp_path / "x2.ckpt")
    found = find_ssiu(tmp_path / "x2.ckpt")
    assert found.key == ".".join(within)
    assert all(torch.equal(found.tensors[name], value) for name, value in weights.items())
    assert torch.equal(read_ssiu(tmp_path / "x2.ckpt", found.key)[0]["head.bias"], weights["head.bias"])


def test_two_networks_with_sets_of_one_name_are_named(tmp_path, sine_weights):
    weights = sine_weights(SSIU(**TINY)).state_dict()
    torch.save({"a": {"params": weights}, "b": {"params": weights}}, tmp_path / "x2.ckpt")
    with pytest.raises(UserError, match=r"as the key: a.params, b.params$"):
        read_ssiu(tmp_path / "x2.ckpt")
