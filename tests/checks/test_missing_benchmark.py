"""A benchmark that is not there: where it comes from, and how to leave it out."""

import pytest

from ssiu_arch.checks.datasets import check_one
from ssiu_arch.utils.errors import UserError


def missing(phase, root):
    options = {"name": "a", "type": "PairedImageDataset", "dataroot_gt": root, "dataroot_lq": root, "io_backend": {}}
    with pytest.raises(UserError) as caught:
        check_one(phase, options, 4)
    return str(caught.value)


def test_the_error_says_how_to_get_it_and_how_to_leave_it_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = missing("test_3", "datasets/benchmark/B100/HR")
    assert "datasets/benchmark/B100/HR" in said
    assert "benchmarks.py --download" in said
    assert "--force_yml datasets:test_3=none" in said
    assert "\n" not in said
    said = missing("test_5", "datasets/benchmark/Manga109/HR")
    assert "manga109.org" in said
    assert "--download" not in said


def test_the_only_set_of_a_test_cannot_be_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "--force_yml" not in missing("test", "mine/HR")
