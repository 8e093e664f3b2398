"""The plot."""

import pytest

from ssiu_arch.tools.profile import figure, run
from ssiu_arch.tools.profile.candidates import Candidate


def test_modes_of_ssiu_are_one_point_beside_those_of_table_1(plan, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    made = plan()
    made.candidates.append(Candidate("other.yml", "", "EDSR"))
    rows = [
        run.Row(each.name, each.arch, "fp32", 8, 8, 2, 1, 2 * 10**9, psnr)
        for each, psnr in zip(made.candidates, (32.64, 32.64, None), strict=True)
    ]
    assert figure.draw(tmp_path / "cost.svg", made, rows) == ["other.yml"]
    picture = (tmp_path / "cost.svg").read_text()
    assert picture.count("<!-- SSIU (ours) -->") == 1
    for label in ("ATD-light", "PSNR on Y (dB), Set5 x4", "measured, LR 8x8"):
        assert f"<!-- {label} -->" in picture
    assert "<!-- SSIU -->" not in picture  # of Table I: it is the one measured


def test_names_cover_neither_points_nor_each_other():
    """Those of a row of points so close that not all names fit below, and of two equal points."""
    figures = pytest.importorskip("matplotlib.figure", reason="matplotlib, of the extra plot, is not installed")
    axes = figures.Figure(figsize=(7, 5)).add_subplot()
    axes.set(xlim=(0, 100), ylim=(30, 32))
    found = [((40.0 + 5 * n, 31.0, f"network {n}"), "red") for n in range(4)] + [((90.0, 31.0, "a"), "red")] * 2
    figure._write_names(axes, found)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == len(found)
    assert not any(box.overlaps(other) for n, box in enumerate(boxes) for other in boxes[:n])
    assert not any(box.contains(*axes.transData.transform(point[:2])) for box in boxes for point, _ in found)
