"""A reader that is killed, or never ends; ``tests/cli/test_check.py`` damages real databases."""

import sys

import pytest

from ssiu_arch.utils import lmdb_health
from ssiu_arch.utils.errors import UserError


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """Run a shell script instead of the reading process."""

    def make(script):
        (tmp_path / "reader").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "reader").chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "reader"))

    return make


@pytest.mark.parametrize("signal", ["BUS", "SEGV"])
def test_killed(reader, signal):
    reader(f"kill -{signal} $$")
    with pytest.raises(UserError, match=rf"^datasets.train: .*x.lmdb .*\(SIG{signal}\).*prepare it again"):
        lmdb_health.check("datasets.train", "x.lmdb", [])


def test_never_ends(reader, monkeypatch):
    reader("exec sleep 9")
    monkeypatch.setattr(lmdb_health, "PATIENCE", 0.2)
    with pytest.raises(UserError, match=r"^datasets.train: x.lmdb .*0.2 s.*prepare it again"):
        lmdb_health.check("datasets.train", "x.lmdb", [])


def test_what_it_says_is_told_in_one_line(reader):
    reader("echo 'a1 is empty' >&2; exit 1")
    with pytest.raises(UserError, match=r"^datasets.train: x.lmdb: a1 is empty$"):
        lmdb_health.check("datasets.train", "x.lmdb", [])
