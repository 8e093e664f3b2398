"""Peak memory of a forward: the fresh process, its answers and failures, and the peaks themselves."""

import os

import pytest
import torch

from ssiu_arch.tools.profile import memory
from ssiu_arch.tools.profile.candidates import Candidate
from ssiu_arch.tools.profile.memory import Peak
from ssiu_arch.utils.errors import UserError

CPU = torch.device("cpu")


def test_a_forward_in_a_fresh_process():
    """Two maps at the size of the result, on both sides of the last activation, exist at the same time."""
    options = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 32, "num_block": 1, "upscale": 4}
    maps = 2 * 32 * (4 * 96) * (4 * 128) * 4
    found = memory.in_fresh_process(Candidate("edsr", "", "EDSR", options), CPU, (96, 128), 1, threads=1)
    assert found.note == ""
    assert 0.9 * maps < found.bytes < 4 * maps


def ask(name, arch="SSIU", **options):
    """What the fresh process answers, in this one."""
    return memory.answer(Candidate(name, "", arch, options), CPU, (8, 8), 1, torch.get_num_threads())


def test_a_request_and_its_answer():
    assert ask("tiny", num_feat=8, num_block=3).bytes >= 0


def test_what_goes_wrong_there_is_one_line():
    with pytest.raises(UserError, match=r"^wrong: .*num_fet.*num_feat") as error:
        ask("wrong", num_fet=3)
    assert str(error.value).count("wrong: ") == 1


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), Peak(None, "out of memory")),
        (torch.OutOfMemoryError("CUDA out of memory"), Peak(None, "out of memory")),
        (MemoryError(), Peak(None, "out of memory")),
        (RuntimeError("shapes\ndiffer"), "^tiny: shapes differ$"),
    ],
)
def test_running_out_of_memory_is_a_result_and_other_errors_are_errors(monkeypatch, raised, expected):
    def fail(*arguments):
        raise raised

    monkeypatch.setattr(memory, "measure", fail)
    if isinstance(expected, Peak):
        assert ask("tiny") == expected
    else:
        with pytest.raises(UserError, match=expected):
            ask("tiny")


class Killed:
    """An option that ends the process that reads it."""

    def __reduce__(self):
        return os._exit, (9,)


def test_a_process_that_is_killed_ran_out_of_memory_most_likely():
    peak = memory.in_fresh_process(Candidate("tiny", "", "SSIU", {"num_feat": Killed()}), CPU, (8, 8), 1, 1)
    assert peak.bytes is None
    assert peak.note.startswith(memory.OUT_OF_MEMORY)
