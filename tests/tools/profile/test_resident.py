"""The memory probe, on works that allocate a known number of bytes, each in a process of its own."""

import json

import pytest

from ssiu_arch.tools.profile import resident

PROBE = """
import json
from pathlib import Path
from ssiu_arch.tools.profile import resident

def megabytes(count):
    return b"x" * (count * 10**6)  # written, hence resident

{setup}
peak = resident.resident_peak(work)
print(json.dumps([peak.bytes, peak.note]))
"""


@pytest.fixture
def probed(python):
    def run(setup):
        done = python("-c", PROBE.format(setup=setup))
        assert done.returncode == 0, done.stderr
        count, note = json.loads(done.stdout)
        return count and count / 1e6, note

    return run


def test_the_highest_moment_counts_and_neither_what_was_before_nor_an_earlier_peak(probed):
    setup = """
kept = megabytes(50)
megabytes(700)
def work():
    megabytes(150)
    first = megabytes(100)
    return first, megabytes(200)
"""
    assert probed(setup) == (pytest.approx(300, rel=0.02), "")


NO_RESET = "resident.CLEAR_REFS = Path('/proc/self/no_such_file/x')\n"


def test_without_a_reset_the_highest_of_the_process_stands_in(probed):
    assert probed(NO_RESET + "work = lambda: megabytes(300)") == (pytest.approx(300, rel=0.02), "")


def test_without_a_reset_an_earlier_peak_is_said(probed):
    found, note = probed(NO_RESET + "megabytes(400)\nwork = lambda: megabytes(100)")
    assert found is None
    assert note.startswith("below an earlier peak of ")
    assert int(note.split()[5]) == pytest.approx(400, rel=0.02)


def test_without_proc_nothing_is_claimed(monkeypatch, tmp_path):
    monkeypatch.setattr(resident, "STATUS", tmp_path / "none")
    peak = resident.resident_peak(lambda: None)
    assert peak.bytes is None
    assert "/proc" in peak.note
