"""A reader that is killed, or never ends; ``tests/commands/test_check.py`` damages real databases."""

import sys

import pytest

from ssiu_arch.utils import lmdb_health
from ssiu_arch.utils.errors import UserError


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """Put a shell script in the place of the process that reads."""

    def make(script):
        (tmp_path / "reader").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "reader").chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "reader"))

    return make


@pytest.mark.parametrize("signal", ["BUS", "SEGV"])
def test_killed(reader, signal):
    reader(f"kill -{signal} $$")
    with pytest.raises(UserError, match=rf"datasets.train: reading x.lmdb ends the process .*\(SIG{signal}\)"):
        lmdb_health.check("datasets.train", "x.lmdb", [])


def test_never_ends(reader, monkeypatch):
    reader("exec sleep 9")
    monkeypatch.setattr(lmdb_health, "PATIENCE", 0.2)
    with pytest.raises(UserError, match=r"x.lmdb cannot be read in 0.2 s: the database is damaged"):
        lmdb_health.check("datasets.train", "x.lmdb", [])


def test_what_it_says_is_told_in_one_line(reader):
    reader("echo 'a1 holds nothing'; exit 1")
    with pytest.raises(UserError, match=r"^datasets.train: x.lmdb: a1 holds nothing$"):
        lmdb_health.check("datasets.train", "x.lmdb", [])
