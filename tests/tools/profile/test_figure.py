"""The plot, and the numbers of the paper in it."""

import csv

import pytest

from ssiu_arch.evaluation import published
from ssiu_arch.tools.profile import figure, run
from ssiu_arch.tools.profile.candidates import Candidate


def test_costs_against_the_retyped_table(root):
    file = root.parent / "shared/paper/table1.csv"
    if not file.is_file():
        pytest.skip("no shared/paper/table1.csv beside the checkout")
    printed = {}
    with open(file, encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            printed.setdefault(int(line["scale"]), {})[line["method"]] = int(line["params_k"]), int(line["macs_g"])
    assert printed == published.COSTS


def test_points_of_a_data_set():
    assert published.points(4, "Manga109")[-1] == ("SSIU", (794, 49), 31.60)
    methods = [[point.method for point in published.points(4, name)] for name in ("Urban100", "Manga109")]
    assert "ECBSR-M" in methods[0]
    assert "ECBSR-M" not in methods[1]
    assert published.points(8, "Set5") == []


@pytest.fixture
def drawn(plan, tmp_path):
    """Draw three candidates, of which the last has no PSNR: names left out, and the text of the picture."""
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")

    def draw(cost):
        made = plan()
        made.candidates.append(Candidate("other.yml", "", "EDSR"))
        psnr = (32.64, 32.64, None)
        rows = [
            run.Row(each.name, each.arch, "fp32", 8, 8, 2, 1, 2 * 10**9, psnr[n], latency_s=n + 1)
            for n, each in enumerate(made.candidates)
        ]
        left_out = figure.draw(tmp_path / "cost.svg", made, rows, cost)
        return left_out, (tmp_path / "cost.svg").read_text()

    return draw


def test_modes_of_ssiu_are_one_point_beside_those_of_table_1(drawn):
    left_out, picture = drawn("macs")
    assert left_out == ["other.yml"]
    assert picture.count("<!-- SSIU (ours) -->") == 1
    for label in ("ATD-light", "PSNR on Y (dB), Set5 x4", "measured, LR 8x8"):
        assert f"<!-- {label} -->" in picture
    assert "<!-- SSIU -->" not in picture  # of Table I: it is the one measured


def test_latencies_of_other_machines_are_not_drawn(drawn):
    left_out, picture = drawn("latency")
    assert left_out == ["other.yml"]
    assert "<!-- SSIU (ours), eager -->" in picture
    assert "<!-- SSIU (ours), fused-bf16 -->" in picture
    assert "ATD" not in picture
