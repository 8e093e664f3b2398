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
    print(json.dumps(peak and peak / 1e6))

def highest():
    megabytes(150)
    first = megabytes(100)
    return first, megabytes(200)

can_reset, peak_memory.CLEAR_REFS = peak_memory.CLEAR_REFS, Path("/proc/self/no_such_file/x")
probe(lambda: megabytes(300))
peak_memory.CLEAR_REFS = can_reset
kept = megabytes(50)
megabytes(700)
probe(highest)
"""


def test_resident_peaks(python):
    """Works that allocate a known number of bytes, in one process: with the peak reset, or not at all."""
    done = python("-c", PROBES)
    assert done.returncode == 0, done.stderr
    unknown, reset = map(json.loads, done.stdout.splitlines())
    assert unknown is None
    assert reset == pytest.approx(300, rel=0.02)  # neither what existed before nor the earlier peak counts


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("is_captured", [False, True])
def test_memory_of_a_gpu(is_captured):
    device = torch.device("cuda:0")
    peak = peak_memory.device_peak(lambda: torch.ones(25_000_000, device=device), device, is_captured)
    assert peak == pytest.approx(100e6, rel=0.03)
