"""The options of ``val`` that are this package's own."""

import pytest

from ssiu_arch.checks.scores import check
from ssiu_arch.utils.errors import UserError


@pytest.mark.parametrize("val", [None, {}, {"metric_workers": 0}, {"metric_workers": 3, "bicubic": False}])
def test_sensible(val):
    check({"val": val})
    check({"val": {**(val or {}), "metrics": {"psnr": {"type": "calculate_psnr", "float_output": True}}}})


@pytest.mark.parametrize("value", [-1, 1.5, True, "two"])
def test_workers_are_counted(value):
    with pytest.raises(UserError, match=r"val.metric_workers \(.*\) must be a whole number of threads, 0 for none"):
        check({"val": {"metric_workers": value}})


def test_tiles_advance():
    check({"val": {"tile": 64, "tile_overlap": 32}})
    with pytest.raises(UserError, match=r"val.tile_overlap \(40\) must be half of val.tile \(64\) at most"):
        check({"val": {"tile": 64, "tile_overlap": 40}})


def test_flags_are_true_or_false():
    with pytest.raises(UserError, match=r"val.bicubic \('once'\) must be true or false"):
        check({"val": {"bicubic": "once"}})
    with pytest.raises(UserError, match=r"val.metrics.psnr.float_output \(1\) must be true or false"):
        check({"val": {"metrics": {"psnr": {"type": "calculate_psnr", "float_output": 1}}}})
