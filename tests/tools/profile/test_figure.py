"""The plot."""

import pytest

from ssiu_arch.tools.profile import report, run
from ssiu_arch.tools.profile.candidates import Candidate

pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")


def test_modes_of_ssiu_are_one_point_beside_those_of_table_1(plan):
    made = plan()
    made.candidates.append(Candidate("other.yml", "EDSR"))
    rows = [
        run.Row(each.name, each.arch, "fp32", 8, 8, 2, 1, 2 * 10**9, psnr)
        for each, psnr in zip(made.candidates, (32.64, 32.64, None), strict=True)
    ]
    (axes,) = report.figure(made, rows).axes
    names = [text.get_text() for text in axes.texts if text.get_visible()]
    assert names.count("SSIU (ours)") == 1
    assert "ATD-light" in names
    assert not {"SSIU", "other.yml"} & {*names}  # of Table I: it is the one measured; without PSNR
    measured, printed = (points.get_offsets().tolist() for points in axes.collections)
    assert measured == [[1.0, 32.64]]
    assert len(printed) == len(names) - 1
    assert axes.get_ylabel() == "PSNR on Y (dB), Set5 x4"


@pytest.mark.parametrize(("upscale", "psnr_set"), [(2, "Set5"), (3, "Urban100"), (4, "Manga109")])
def test_no_name_covers_another(plan, upscale, psnr_set):
    made = plan(upscale=upscale, psnr_set=psnr_set)
    rows = [run.Row(each.name, each.arch, "fp32", 8, 8, 1, 1, 49 * 10**9) for each in made.candidates]
    plot = report.figure(made, rows)
    plot.draw_without_rendering()
    boxes = [text.get_window_extent() for text in plot.axes[0].texts if text.get_visible()]
    assert len(boxes) > 8
    assert not any(box.overlaps(other) for n, box in enumerate(boxes) for other in boxes[:n])
