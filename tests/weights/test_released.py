"""The authors' names of parameters, and ours: one table, read in both directions."""

from pathlib import Path

import pytest
import torch

from ssiu_arch.archs.ssiu_arch import SSIU, rename_released
from ssiu_arch.weights.writing import released_names

GOLDEN = Path(__file__).parents[1] / "golden"
VARIANTS = [{"upscale": 4}, {"sparse_attention": False}, {"feature_selector": False}, {"num_block": 12}]
STAGE = [
    "norm.body.weight",
    "norm.body.bias",
    "s3.rel_h",
    "s3.rel_w",
    "s3.qkv_conv.weight",
    "s3.LocalProp.0.weight",
    "s3.LocalProp.0.bias",
]
MSGM = ["project_in1", "project_in2.0", "project_in2.1", "project_in2.2", "project_out"]


def names(**options):
    with torch.device("meta"):
        return SSIU(**options).state_dict()


@pytest.mark.parametrize("options", VARIANTS)
def test_the_two_renamings_undo_each_other_for_every_parameter(options):
    ours = names(**options)
    theirs = released_names(ours)
    assert len(theirs) == len(ours)
    assert not theirs.keys() & ours.keys()
    back = dict(theirs)
    rename_released(back)
    assert list(back) == list(ours)
    assert all(back[name] is ours[name] for name in ours)
    rename_released(back)  # our own names stay
    assert list(back) == list(ours)


def test_they_are_the_names_in_the_authors_code():
    parts = ["head", "tail.0", "tail.3", "tail.6", *(f"moe.{part}" for part in ("fc_a", "fc_b", "fc_c", "fuse"))]
    for t in range(9):
        parts += [f"body.{t}.{msgm}.{conv}" for msgm in ("s1", "s2", "s4", "ffn") for conv in MSGM]
    expected = {f"module.{part}.{kind}" for part in parts for kind in ("weight", "bias")}
    expected |= {f"module.body.{t}.{name}" for t in range(9) for name in STAGE}
    assert released_names(names()).keys() == expected


def test_a_fork_that_asks_for_our_names_before_it_compares_gets_them():
    ours = names()
    net = SSIU(num_feat=8, num_block=3)
    theirs = released_names(ours)
    assert list(net.map_state_dict(theirs)) == list(ours)
    assert "module.head.weight" in theirs  # a copy is changed
    assert list(net.map_state_dict(ours)) == list(ours)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_they_are_the_names_in_released_files(scale):
    held = torch.load(GOLDEN / f"released_format_small_x{scale}.pt", weights_only=True)
    found = released_names(names(upscale=scale, num_feat=16, num_block=3))
    assert found.keys() == held["model_state_dict"].keys()


@pytest.mark.parametrize(
    ("file", "options"), [("sam_x4", {"sparse_attention": False}), ("no_moe_x4", {"feature_selector": False})]
)
def test_of_the_ablations_too(golden, file, options):
    held = torch.load(golden / f"{file}_state_dict.pt", weights_only=True)
    assert {name.removeprefix("module.") for name in released_names(names(**options))} == held.keys()
