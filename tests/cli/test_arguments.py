"""What the verbs of ``ssiu`` have in common."""

import os
import re
from pathlib import Path

import pytest

from ssiu_arch.cli.arguments import check_output
from ssiu_arch.utils.errors import UserError


def test_what_can_be_written_leaves_nothing_behind(tmp_path):
    check_output(tmp_path / "a.png", ".png")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_the_system_does_not_take(tmp_path):
    with pytest.raises(UserError, match=r"n+\.png: cannot be written \("):
        check_output(tmp_path / f"{'n' * 300}.png")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc, a folder in which nobody may write")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_which_nothing_can_be_written_is_refused_before_the_work(overwrite):
    with pytest.raises(UserError, match=re.escape("/proc/new.png: cannot be written (")):
        check_output(Path("/proc/new.png"), overwrite=overwrite)
