"""Peaks of works that allocate a known amount."""

import json

import pytest
import torch

from ssiu_arch.utils import peak_memory

PROBES = """
import json
from pathlib import Path
from ssiu_arch.utils import peak_memory

def megabytes(count):
    return b"x" * (count * 10**6)  # written, hence resident

def probe(work):
    peak = peak_memory.resident_peak(work)
    print(json.dumps([peak.bytes and peak.bytes / 1e6, peak.note]))

def highest():
    megabytes(150)
    first = megabytes(100)
    return first, megabytes(200)

can_reset, peak_memory.CLEAR_REFS = peak_memory.CLEAR_REFS, Path("/proc/self/no_such_file/x")
probe(lambda: megabytes(300))
megabytes(600)
probe(lambda: megabytes(100))
peak_memory.CLEAR_REFS = can_reset
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
    monkeypatch.setattr(peak_memory, "STATUS", tmp_path / "none")
    peak = peak_memory.resident_peak(lambda: None)
    assert peak.bytes is None
    assert "/proc" in peak.note


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("is_captured", [False, True])
def test_memory_of_a_gpu(is_captured):
    device = torch.device("cuda:0")
    peak = peak_memory.device_peak(lambda: torch.ones(25_000_000, device=device), device, is_captured)
    assert peak.bytes == pytest.approx(100e6, rel=0.03)
