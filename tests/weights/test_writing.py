"""Files of every format, written and read again."""

import itertools

import pytest
import torch

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import read_checkpoint, read_ssiu
from ssiu_arch.weights.ssiu import find_ssiu
from ssiu_arch.weights.writing import FORMATS, as_bytes, halved

TINY = {"upscale": 2, "num_feat": 16, "num_block": 3}
VARIANTS = [{}, {"upscale": 4}, {"sparse_attention": False}, {"feature_selector": False, "num_block": 1}]


def bits(weights):
    """Name, type, shape and bytes of every tensor."""
    return [
        (name, str(v.dtype), list(v.shape), v.contiguous().view(torch.uint8).numpy().tobytes())
        for name, v in weights.items()
    ]


@pytest.fixture
def tiny(sine_weights):
    """Weights of a small SSIU with values that arithmetic would not keep."""

    def build(dtype=torch.float32, **options):
        weights = {k: v.to(dtype) for k, v in sine_weights(SSIU(**{**TINY, **options})).state_dict().items()}
        head = weights["head.weight"].view(-1)
        head[:4] = torch.tensor([-0.0, float("nan"), float("-inf"), torch.finfo(dtype).tiny / 2])
        integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}[head.element_size()]
        head.view(integers)[4] = head.view(integers)[1] + 1  # another NaN
        return weights

    return build


@pytest.fixture
def through(tmp_path):
    """Write weights as a file of a format, and read it."""
    count = itertools.count()

    def pass_through(weights, suffix):
        path = tmp_path / f"{next(count)}{suffix}"
        path.write_bytes(as_bytes(weights, suffix))
        return find_ssiu(path)

    return pass_through


@pytest.mark.parametrize("chain", list(itertools.permutations(FORMATS)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_every_bit_survives_every_chain(tiny, through, chain, dtype):
    source = now = tiny(dtype)
    for suffix in (*chain, *chain):
        now, options, _ = through(now, suffix)
        assert bits(now) == bits(source)
        assert (options["upscale"], options["num_feat"], options["num_block"]) == tuple(TINY.values())


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("options", VARIANTS)
def test_every_variant_survives(tiny, through, options, suffix):
    source = tiny(**options)
    assert bits(through(source, suffix).tensors) == bits(source)


@pytest.mark.parametrize("suffix", FORMATS)
def test_equal_weights_are_equal_files(tiny, through, suffix):
    source = tiny()
    others = [through(source, other).tensors for other in FORMATS]
    assert len({as_bytes(weights, suffix) for weights in [source, *others]}) == 1


def test_views_and_strides_are_no_part_of_a_file(tiny, through):
    source = tiny()
    within = {name: torch.stack([value, value])[1] for name, value in source.items()}
    within["head.weight"] = within["head.weight"].to(memory_format=torch.channels_last)
    for suffix in FORMATS:
        assert as_bytes(within, suffix) == as_bytes(source, suffix)


def test_a_released_file_has_what_the_authors_have(tiny, tmp_path, released_names):
    source = tiny()
    (tmp_path / "x2.pt").write_bytes(as_bytes(source, ".pt"))
    held = torch.load(tmp_path / "x2.pt", weights_only=True)
    weights = held.pop("model_state_dict")
    assert held == {
        "epoch": 0,
        "optimizer_state_dict": {"state": {}, "param_groups": []},
        "scheduler_state_dict": {},
        "stat_dict": {},
    }
    assert bits(weights) == bits(released_names(source))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_authors_format_comes_back_from_every_other(golden, through, tmp_path, scale):
    path = golden / f"released_format_x{scale}.pt"
    held, now = read_checkpoint(path), read_ssiu(path)[0]
    for suffix in (".pth", ".safetensors", ".pth", ".pt"):
        now = through(now, suffix).tensors
    (tmp_path / "back.pt").write_bytes(as_bytes(now, ".pt"))
    back = read_checkpoint(tmp_path / "back.pt")
    assert back.keys() == held.keys()
    assert sorted(bits(back["model_state_dict"])) == sorted(bits(held["model_state_dict"]))


def test_basicsr_finds_both_its_sets_stored_once(tiny, tmp_path):
    from basicsr.models.base_model import BaseModel

    source = tiny()
    source["head.weight"].view(-1)[:5] = 0.0  # BasicSR is given finite weights alone
    (tmp_path / "x2.pth").write_bytes(as_bytes(source, ".pth"))
    held = torch.load(tmp_path / "x2.pth", weights_only=True)
    assert list(held) == ["params", "params_ema"]
    assert {v.data_ptr() for v in held["params"].values()} == {v.data_ptr() for v in held["params_ema"].values()}
    assert len(as_bytes(source, ".pth")) < 1.2 * len(as_bytes(source, ".pt"))
    for key in held:
        net = SSIU(**TINY)
        model = BaseModel({"num_gpu": 0, "dist": False, "is_train": False, "path": {}})
        model.load_network(net, str(tmp_path / "x2.pth"), True, key)
        assert bits(net.state_dict()) == bits(source)


class TestHalf:
    def test_values_are_the_nearest_of_float16(self):
        values = torch.tensor([1.0, 1 + 2**-12, -3.1, 0.0, float("nan"), float("inf")])
        rounded = halved({"a": values, "empty": torch.ones(0)})["a"]
        assert rounded.dtype == torch.float16
        assert rounded[:4].tolist() == [1.0, 1.0, -3.099609375, 0.0]
        assert rounded[4].isnan()
        assert rounded[5].isinf()

    def test_what_float16_cannot_hold_is_refused(self):
        with pytest.raises(UserError, match=r"--half: b holds 7e\+04.*65504.*leave --half out"):
            halved({"a": torch.ones(1), "b": torch.tensor([70000.0, float("inf")])})

    def test_it_halves_the_files(self, tiny):
        source = tiny(num_feat=32)
        source["head.weight"].fill_(1)
        half, size = halved(source), sum(value.numel() for value in source.values())
        for suffix in FORMATS:
            assert len(as_bytes(source, suffix)) - len(as_bytes(half, suffix)) == pytest.approx(2 * size, rel=0.1)
