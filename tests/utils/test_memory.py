"""Free memory, errors of being out of it, and peaks of works that allocate a known amount."""

import json

import pytest
import torch

from ssiu_arch.utils.memory import device_peak, free_memory, is_out_of_memory

CPU = torch.device("cpu")


@pytest.fixture
def machine(tmp_path):
    """A machine with 8 GiB available, in a control group with 3 GiB of which 1 GiB is used."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(f"MemTotal: 16777216 kB\nMemAvailable: {8 * 2**20} kB\n")
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{3 * 2**30}\n")
    (group / "memory.current").write_text(f"{2**30}\n")
    (group / "memory.stat").write_text(f"anon 5\ninactive_file {2**28}\n")
    return tmp_path


def test_the_control_groups_limit_counts(machine):
    assert free_memory(CPU, machine) == 2 * 2**30 + 2**28  # what it holds of files can go


def test_without_a_limit_what_the_machine_has_counts(machine):
    (machine / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert free_memory(CPU, machine) == 8 * 2**30


def test_a_system_without_proc(tmp_path):
    assert free_memory(CPU, tmp_path) > 2**28


def test_a_failed_allocation_is_known_as_such():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("sizes do not match"))
    assert not is_out_of_memory(KeyError("memory"))


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (None, True),  # freeing cached memory has invalidated the capture
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUDA error: operation not permitted when stream is capturing"), False),
    ],
)
def test_of_an_invalidated_capture_the_first_error_decides(first, expected):
    error = RuntimeError("CUDA error: operation failed due to a previous error during capture")
    error.__context__ = first
    assert is_out_of_memory(error) is expected


PROBES = """
import json
from pathlib import Path
from ssiu_arch.utils import memory

def megabytes(count):
    return b"x" * (count * 10**6)  # written, hence resident

def probe(work):
    peak = memory.resident_peak(work)
    print(json.dumps(peak and peak / 1e6))

def highest():
    megabytes(150)
    first = megabytes(100)
    return first, megabytes(200)

can_reset, memory.CLEAR_REFS = memory.CLEAR_REFS, Path("/proc/self/no_such_file/x")
probe(lambda: megabytes(300))
memory.CLEAR_REFS = can_reset
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
    peak = device_peak(lambda: torch.ones(25_000_000, device=device), device, is_captured)
    assert peak == pytest.approx(100e6, rel=0.03)
