"""Peak memory of a forward: the fresh process, its answers and failures, and the peaks themselves."""

import json
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


PROBES = """
import json
from pathlib import Path
from ssiu_arch.tools.profile import memory

def megabytes(count):
    return b"x" * (count * 10**6)  # written, hence resident

def probe(work):
    peak = memory.resident_peak(work)
    print(json.dumps([peak.bytes and peak.bytes / 1e6, peak.note]))

def highest():
    megabytes(150)
    first = megabytes(100)
    return first, megabytes(200)

can_reset, memory.CLEAR_REFS = memory.CLEAR_REFS, Path("/proc/self/no_such_file/x")
probe(lambda: megabytes(300))
megabytes(600)
probe(lambda: megabytes(100))
memory.CLEAR_REFS = can_reset
kept = megabytes(50)
megabytes(700)
probe(highest)
"""


def test_resident_peaks(python):
    """Works that allocate a known number of bytes, in one process: without a reset of the peak, and with it."""
    done = python("-c", PROBES)
    assert done.returncode == 0, done.stderr
    stands_in, hidden, reset = map(json.loads, done.stdout.splitlines())
    assert stands_in == [pytest.approx(300, rel=0.02), ""]
    assert hidden[0] is None
    assert float(hidden[1].split(" MB")[0].split()[-1]) == pytest.approx(600, rel=0.02)
    assert reset == [pytest.approx(300, rel=0.02), ""]  # neither what existed before nor the earlier peak counts


def test_without_proc_nothing_is_claimed(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    peak = memory.resident_peak(lambda: None)
    assert peak.bytes is None
    assert "/proc" in peak.note


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("is_captured", [False, True])
def test_memory_of_a_gpu(is_captured):
    device = torch.device("cuda:0")
    peak = memory.device_peak(lambda: torch.ones(25_000_000, device=device), device, is_captured)
    assert peak.bytes == pytest.approx(100e6, rel=0.03)
