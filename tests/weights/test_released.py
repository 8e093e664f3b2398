"""The authors' names of parameters."""

import pytest
import torch

from ssiu_arch.archs.ssiu_arch import SSIU, rename_released
from ssiu_arch.weights.released import released_names

VARIANTS = [
    {"upscale": 2},
    {"upscale": 3},
    {"upscale": 4},
    {"upscale": 4, "sparse_attention": False},
    {"upscale": 4, "feature_selector": False},
    {"upscale": 4, "num_block": 12},
]


@pytest.mark.parametrize("options", VARIANTS)
def test_the_two_renamings_undo_each_other_for_every_parameter(options):
    with torch.device("meta"):
        ours = SSIU(**options).state_dict()
    theirs = released_names(ours)
    assert len(theirs) == len(ours)
    assert not theirs.keys() & ours.keys()
    back = dict(theirs)
    rename_released(back)
    assert list(back) == list(ours)
    assert all(back[name] is ours[name] for name in ours)
    assert list(released_names(back)) == list(theirs)


@pytest.mark.parametrize(
    ("file", "options"),
    [
        *((f"released_format_x{scale}.pt", {"upscale": scale}) for scale in (2, 3, 4)),
        ("sam_x4_state_dict.pt", {"sparse_attention": False}),
        ("no_moe_x4_state_dict.pt", {"feature_selector": False}),
    ],
)
def test_they_are_the_names_of_the_released_files(golden, file, options):
    held = torch.load(golden / file, weights_only=True)
    with torch.device("meta"):
        names = released_names(SSIU(**options).state_dict()).keys()
    if "model_state_dict" in held:
        assert names == held["model_state_dict"].keys()
    else:
        assert {name.removeprefix("module.") for name in names} == held.keys()
