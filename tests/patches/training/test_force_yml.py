import pytest
import torch

from ssiu_arch.patches.training.force_yml import split_force_yml
from ssiu_arch.utils.errors import UserError


@pytest.mark.parametrize(
    ("entry", "path", "value"),
    [
        ("train:warmup_iter=-1", ("train", "warmup_iter"), -1),
        ("train:optim_g:lr=2e-4", ("train", "optim_g", "lr"), 2e-4),
        ("train:ema_decay=0.999", ("train", "ema_decay"), 0.999),
        ("name=a=b", ("name",), "a=b"),
        ("train:fft_opt:type=FFTL1Loss", ("train", "fft_opt", "type"), "FFTL1Loss"),
        ("path:pretrain_network_g=none", ("path", "pretrain_network_g"), None),
        ("path:resume_state=~", ("path", "resume_state"), None),
        ("train:use=True", ("train", "use"), True),
        ("train:periods=[3, 4]", ("train", "periods"), [3, 4]),
        ("train:lr=!!float1e-3", ("train", "lr"), 1e-3),
        ("name=[oops", ("name",), "[oops"),
    ],
)
def test_values(parse, entry, path, value):
    found = parse("--force_yml", entry)
    for key in path:
        found = found[key]
    assert found == value
    assert type(found) is type(value)


def test_several_entries_and_other_options_after_them(parse):
    opt = parse("--force_yml", "train:a=1", "train:b=2", "--debug")
    assert (opt["train"]["a"], opt["train"]["b"], opt["name"]) == (1, 2, "debug_parsed")


def test_the_seed_is_forced_before_it_is_used(parse):
    parse("--force_yml", "manual_seed=1")
    first = torch.rand(1)
    parse("--force_yml", "manual_seed=2")
    assert torch.rand(1) != first
    parse("--force_yml", "manual_seed=1")
    assert torch.rand(1) == first


def test_bad_entries_are_named(parse):
    with pytest.raises(UserError, match=r"'train:ema_decay' has no '='"):
        parse("--force_yml", "train:ema_decay")
    with pytest.raises(UserError, match=r"name is 'parsed' and has no keys"):
        parse("--force_yml", "name:x=1")


def test_split():
    line = ["-opt", "f", "--force_yml", "a=1", "b=-2", "--debug", "--force_yml", "c=3"]
    assert split_force_yml(line) == (["-opt", "f", "--debug"], ["a=1", "b=-2", "c=3"])
    assert split_force_yml(["--force_yml=a:b=1", "-opt", "f"]) == (["-opt", "f"], ["a:b=1"])
