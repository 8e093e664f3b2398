"""Table I, as shipped."""

import csv

import pytest

from ssiu_arch.evaluation import paper


def test_ssiu_at_x4():
    row = paper.rows(4)[-1]
    assert (row.method, row.training_set) == ("SSIU", "DF2K")
    assert row.psnr == {"Set5": 32.64, "Set14": 28.96, "B100": 27.82, "Urban100": 26.83, "Manga109": 31.60}
    assert row.ssim["Set5"] == 0.9032


def test_what_the_paper_leaves_out_is_missing():
    (row,) = (row for row in paper.rows(2) if row.method == "ECBSR-M")
    assert "Manga109" not in row.psnr
    assert "Manga109" not in row.ssim
    assert paper.rows(8) == []


def test_against_the_retyped_table(root):
    file = root.parent / "shared/paper/table1.csv"
    if not file.is_file():
        pytest.skip("no shared/paper/table1.csv beside the checkout")
    with open(file, encoding="utf-8") as lines:
        printed = list(csv.DictReader(lines))
    shipped = [(scale, row) for scale in (2, 3, 4) for row in paper.rows(scale)]
    assert len(shipped) == len(printed) == 44
    for line, (scale, row) in zip(printed, shipped, strict=True):
        assert (line["method"], line["training_set"], line["scale"]) == (row.method, row.training_set, str(scale))
        assert (int(line["params_k"]), int(line["macs_g"])) == (row.kilo_parameters, row.giga_macs)
        for name in paper.SETS:
            assert line[f"{name}_psnr"] == (f"{row.psnr[name]:.2f}" if name in row.psnr else "")
            assert line[f"{name}_ssim"] == (f"{row.ssim[name]:.4f}" if name in row.ssim else "")
