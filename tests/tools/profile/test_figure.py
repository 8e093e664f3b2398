"""The plot, and the numbers of the paper in it."""

import csv

import pytest

from ssiu_arch.evaluation import published
from ssiu_arch.tools.profile import figure, run


@pytest.fixture
def profile(plan, tiny):
    return run.measure(plan("eager", "plain", f"eager:{tiny}", "ecbsr-m", sizes=[(8, 8)], runs=0))


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


def test_scores_are_those_of_the_very_network_or_given(profile, tiny):
    assert figure.scores(profile, "Set5", {}) == {"eager": 32.64, "plain": 32.64, "ecbsr-m": 31.92}
    assert figure.scores(profile, "Set5", {f"eager:{tiny}": 30.0, "plain": 32.0})["plain"] == 32.0


def test_forms_of_one_network_share_a_point_and_what_has_no_score_is_named(profile, tiny, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    file = tmp_path / "cost.svg"
    assert figure.draw(file, profile, "macs", "Manga109", {}) == [f"eager:{tiny}", "ecbsr-m"]
    drawn = file.read_text()
    for label in ("<!-- eager, plain -->", "<!-- ATD-light -->", "<!-- PSNR on Y (dB), Manga109 x4 -->"):
        assert label in drawn


def test_latencies_of_other_machines_are_not_drawn(plan, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    profile = run.measure(plan("eager", sizes=[(8, 8)], runs=1))
    assert figure.draw(tmp_path / "cost.svg", profile, "latency", "Set5", {}) == []
    drawn = (tmp_path / "cost.svg").read_text()
    assert "<!-- eager -->" in drawn
    assert "ATD" not in drawn
