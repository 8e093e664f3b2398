"""Multiply-adds: published numbers, and networks counted by hand. Peak memory of a forward, in a fresh process."""

import os

import pytest
import torch
from torch import nn

from ssiu_arch import SSIU
from ssiu_arch.tools.profile import measures
from ssiu_arch.tools.profile.candidates import Candidate
from ssiu_arch.tools.profile.measures import multiply_adds
from ssiu_arch.utils.errors import UserError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("upscale", "size", "giga"), [(2, (360, 640), 167.2), (3, (240, 427), 76.6), (4, (180, 320), 48.9)]
)
def test_published_models_at_a_result_of_1280x720(upscale, size, giga):
    assert round(multiply_adds(SSIU(upscale=upscale), (1, 3, *size)) / 1e9, 1) == giga


def test_convolutions_by_hand():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 4, 1, stride=2)
    )
    pixels = 10 * 14
    assert multiply_adds(net, (2, 3, 10, 14)) == 2 * (pixels * (27 * 8 + 9 * 8) + pixels // 4 * 8 * 4)


class Attention(nn.Module):
    def forward(self, x):
        rows = x.flatten(2)  # (B, C, HW): C tokens of HW channels
        return nn.functional.scaled_dot_product_attention(rows, rows, rows)


def test_attention_is_two_matrix_products():
    assert multiply_adds(Attention(), (1, 8, 4, 6)) == 2 * 8 * 8 * 24


class Stubborn(nn.Conv2d):
    def forward(self, x):
        return super().forward(x * float(x.mean()))  # a number: the meta device has none


def test_networks_that_the_meta_device_cannot_follow_are_run():
    assert multiply_adds(Stubborn(3, 5, 3, padding=1), (1, 3, 6, 7)) == 42 * 27 * 5


def test_a_network_is_left_as_it_was():
    net = nn.Conv2d(3, 3, 1)
    multiply_adds(net, (1, 3, 4, 4))
    assert net.weight.device == torch.device("cpu")


def test_a_size_that_a_network_does_not_take():
    with pytest.raises(UserError, match=r"cannot run on LR images of 2x2, batch 1: .*[Kk]ernel size"):
        multiply_adds(nn.Conv2d(3, 3, 5), (1, 3, 2, 2))


def test_a_forward_in_a_fresh_process():
    """Two maps at the size of the result, on both sides of the last activation, exist at the same time."""
    options = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 32, "num_block": 1, "upscale": 4}
    maps = 2 * 32 * (4 * 96) * (4 * 128) * 4
    found = measures.peak_memory(Candidate("edsr", "EDSR", options), CPU, (96, 128), 1, threads=1)
    assert 0.9 * maps < found < 4 * maps


def ask(name, arch="SSIU", **options):
    """What the fresh process answers, in this one."""
    return measures.in_this_process(Candidate(name, arch, options), CPU, (8, 8), 1, torch.get_num_threads())


def test_a_request_and_its_answer():
    assert ask("tiny", num_feat=8, num_block=3) >= 0


def test_what_goes_wrong_there_is_one_line():
    with pytest.raises(UserError, match=r"^wrong: .*num_fet.*num_feat") as error:
        ask("wrong", num_fet=3)
    assert str(error.value).count("wrong: ") == 1


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), measures.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory"), measures.OUT_OF_MEMORY),
        (MemoryError(), measures.OUT_OF_MEMORY),
        (RuntimeError("shapes\ndiffer"), "^tiny: shapes\ndiffer$"),
    ],
)
def test_running_out_of_memory_is_a_result_and_other_errors_are_errors(monkeypatch, raised, expected):
    def fail(*arguments):
        raise raised

    monkeypatch.setattr(measures, "_peak", fail)
    if expected == measures.OUT_OF_MEMORY:
        assert ask("tiny") == expected
    else:
        with pytest.raises(UserError, match=expected):
            ask("tiny")


class Killed:
    """An option that ends the process that reads it."""

    def __reduce__(self):
        return os._exit, (9,)


def test_a_process_that_is_killed_ran_out_of_memory_most_likely():
    peak = measures.peak_memory(Candidate("tiny", "SSIU", {"num_feat": Killed()}), CPU, (8, 8), 1, 1)
    assert peak.startswith(measures.OUT_OF_MEMORY)
