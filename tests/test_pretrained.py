import re

import pytest

from ssiu_arch.errors import UserError
from ssiu_arch.pretrained import shipped


def test_the_file_of_a_scale(tmp_path):
    (tmp_path / "SSIU_x3.pth").touch()
    assert shipped(3, tmp_path) == tmp_path / "SSIU_x3.pth"


def test_none_of_a_scale(tmp_path):
    with pytest.raises(
        UserError, match=re.escape("no weights for x2 come with this version of ssiu_arch: name a file")
    ):
        shipped(2, tmp_path)
