"""The reader of HR and LR folders."""

import numpy as np
import pytest

from benchmarks.modes import read_pairs
from ssiu_arch.data.images import write_image
from ssiu_arch.utils.errors import UserError


def write(folder, **values):
    for name, value in values.items():
        write_image(folder / f"{name}.png", np.full((8, 8, 3), value, np.uint8))


def first_values(*arguments):
    return [(int(hr[0, 0, 0]), int(lr[0, 0, 0])) for hr, lr in read_pairs(*arguments)]


def test_lr_is_found_with_and_without_the_scale_and_by_template_alone(tmp_path):
    write(tmp_path / "hr", a=1, b=2)
    write(tmp_path / "lr", ax4=11, b=12, b_lr=22, a_lr=21)
    assert first_values(tmp_path / "hr", tmp_path / "lr", 4) == [(1, 11), (2, 12)]
    assert first_values(tmp_path / "hr", tmp_path / "lr", 4, "{}_lr") == [(1, 21), (2, 22)]


@pytest.mark.parametrize(("scale", "template"), [(3, None), (4, "{}")])
def test_hr_without_lr_is_named(tmp_path, scale, template):
    write(tmp_path / "hr", a=1)
    write(tmp_path / "lr", ax4=11)
    with pytest.raises(UserError, match=r"hr/a\.png: .*lr "):
        list(read_pairs(tmp_path / "hr", tmp_path / "lr", scale, template))
