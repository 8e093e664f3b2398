"""The list of repairs as a whole."""

from pathlib import Path

import pytest

from ssiu_arch import patches as repairs

HELPERS = {"__init__", "__main__", "repair", "option_parsing"}
ALL = repairs.BEFORE_IMPORT + repairs.AFTER_IMPORT


def test_every_file_of_the_folder_is_a_repair_in_force():
    files = {path.stem for path in Path(repairs.__file__).parent.glob("*.py")} - HELPERS
    assert {name for name in files if getattr(repairs, name).REPAIR in ALL} == files


@pytest.mark.parametrize("repair", ALL, ids=lambda repair: repair.upstream)
def test_every_repair_says_what_where_and_until_when(repair):
    assert repair.defect
    assert repair.upstream.startswith("basicsr/")
    assert repair.until


@pytest.mark.parametrize("repair", ALL, ids=lambda repair: repair.upstream)
def test_every_repair_is_in_force_once(repair):
    import basicsr  # noqa: F401

    assert not repair.is_needed()


def test_every_repair_has_a_test_file_of_its_name():
    tested = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert {path.stem for path in Path(repairs.__file__).parent.glob("*.py")} - HELPERS <= tested
