import pytest
import torch

from ssiu_arch.archs.ssiu_arch import SSIU, rename_released
from ssiu_arch.weights import read_state_dict, ssiu_options

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


def test_weights_of_another_network_have_no_options():
    assert ssiu_options({"conv_first.weight": torch.ones(1)}) is None


def test_read_state_dict_follows_basicsr(tmp_path):
    file = tmp_path / "w.pth"
    torch.save({"params": {"module.a": torch.ones(1)}, "other": {"b": torch.ones(1)}}, file)
    assert list(read_state_dict(file, "params")) == ["a"]
    assert list(read_state_dict(file, "params_ema")) == ["a"]  # params stands in
    assert list(read_state_dict(file, "other")) == ["b"]
