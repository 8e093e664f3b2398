"""The table of a test, on the terminal and on disk."""

import csv

import pytest
import torch

from ssiu_arch.evaluation.summary import SetScores, report

PSNR = {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": True}
SSIM = {**PSNR, "type": "calculate_ssim"}


@pytest.fixture
def opt(tmp_path):
    return {
        "name": "mine",
        "scale": 4,
        "network_g": {"type": "SSIU", "upscale": 4},
        "path": {"results_root": str(tmp_path), "pretrain_network_g": None},
        "val": {"metrics": {"psnr": PSNR, "ssim": SSIM}},
    }


@pytest.fixture
def sets():
    return [
        SetScores(
            "Set5",
            images=["bird", "baby"],
            means={"psnr": 32.0, "ssim": 0.9},
            scores={"psnr": [33.0, 31.0], "ssim": [1.0, 0.8]},
            bicubic={"psnr": [29.0, 28.0], "ssim": [0.75, 0.7]},
            fingerprint="0123456789ab",
        ),
        SetScores("coffee", images=["coffee"], means={"psnr": 27.5}, scores={"psnr": [27.5]}),
    ]


def test_terminal_and_markdown(opt, sets, capsys, tmp_path):
    report(opt, sets)
    printed = capsys.readouterr().out.splitlines()
    table = printed[printed.index("psnr: calculate_psnr, on Y of YCbCr, 8-bit images, border 4, in dB") :]
    assert table[1].split() == ["Set5", "coffee"]
    assert table[2].split() == ["this", "run", "32.0000", "27.5000"]
    assert table[3].split() == ["bicubic", "28.5000", "-"]
    assert "SSIU            32.64        -" in table
    table = table[table.index("ssim: calculate_ssim, on Y of YCbCr, 8-bit images, border 4") :]
    assert table[2].split() == ["this", "run", "0.9000", "-"]
    assert "data        Set5: 2 images, names and bytes sha256 0123456789ab" in printed
    assert any("weights are random" in line for line in printed)
    assert max(map(len, printed)) <= 100 + len(str(tmp_path))

    written = (tmp_path / "scores.md").read_text()
    assert "| this run | 32.0000 | 27.5000 |" in written
    assert "| SSIU \\* | 0.9032 | - |" in written
    assert "about 0.003 too high" in written
    assert "- data: Set5: 2 images, names and bytes sha256 0123456789ab" in written


def test_csv_has_every_image_and_the_means(opt, sets, tmp_path):
    report(opt, sets)
    with open(tmp_path / "scores.csv", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["set", "row", "image", "psnr", "ssim", "bicubic_psnr", "bicubic_ssim"],
        ["Set5", "image", "baby", "31.0", "0.8", "28.0", "0.7"],
        ["Set5", "image", "bird", "33.0", "1.0", "29.0", "0.75"],
        ["Set5", "mean", "", "32.0", "0.9", "28.5", "0.725"],
        ["coffee", "image", "coffee", "27.5", "", "", ""],
        ["coffee", "mean", "", "27.5", "", "", ""],
    ]


def test_a_metric_that_no_set_has_is_left_out(opt, sets, capsys, tmp_path):
    opt["val"]["metrics"]["lpips"] = {"type": "calculate_lpips"}
    report(opt, sets)
    assert "lpips" not in capsys.readouterr().out
    assert "lpips" not in (tmp_path / "scores.csv").read_text() + (tmp_path / "scores.md").read_text()


def test_nothing_measured_nothing_said(opt, capsys, tmp_path):
    report(opt, [])
    report(None, [])
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.iterdir())


def test_bicubic_that_is_not_as_known_is_a_warning_under_the_table(opt, sets, capsys, tmp_path):
    sets[0].bicubic = {"psnr": [28.43, 28.432], "ssim": [0.8113] * 2}
    report(opt, sets)
    assert "warning" not in capsys.readouterr().out
    sets[0].bicubic["ssim"] = [0.8123] * 2
    sets[1].name = "Urban100"
    sets[1].bicubic = {"psnr": [23.10]}
    report(opt, sets)
    said = " ".join(capsys.readouterr().out.split())
    assert "warning Set5: bicubic interpolation scores ssim 0.8123 instead of 0.8113" in said
    assert "warning Urban100: bicubic interpolation scores psnr 23.100 instead of 23.138" in said
    assert "verify.py" in (tmp_path / "scores.md").read_text().replace("\\", "")


@pytest.mark.parametrize(
    "change", [{"crop_border": 2}, {"test_y_channel": False}, {"type": "calculate_psnr_published"}]
)
def test_bicubic_by_another_protocol_is_not_compared(opt, sets, capsys, change):
    opt["val"]["metrics"] = {"psnr": {**PSNR, **change}}
    report(opt, sets)
    assert "warning" not in capsys.readouterr().out


def test_test_of_a_stock_model_ends_with_its_scores(workplace, basicsr):
    from basicsr.archs import build_network

    network = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 4}
    torch.save({"params": build_network(dict(network)).state_dict()}, workplace / "edsr.pth")
    changes = [
        f"network_g={network}",
        "model_type=SRModel",
        "path:pretrain_network_g=edsr.pth",
        "val:metrics:theirs={type: calculate_ssim_published, crop_border: 4, float_output: true}",
    ]
    done = basicsr("test", "-opt", "options/demo/test_SSIU_x4.yml", "--force_yml", *changes, cwd=workplace)
    assert done.returncode == 0, done.stderr
    folder = workplace / "results/demo_SSIU_x4"
    with open(folder / "scores.csv", encoding="utf-8") as file:
        image, mean = csv.DictReader(file)
    assert (image["image"], mean["row"]) == ("coffee", "mean")
    assert image["psnr"] == mean["psnr"]
    assert f"# psnr: {float(mean['psnr']):.4f}" in done.stderr
    assert float(mean["bicubic_psnr"]) == pytest.approx(27.293, abs=0.01)
    assert float(mean["bicubic_theirs"]) > float(mean["bicubic_ssim"]) + 0.0005
    assert "Scores of demo_SSIU_x4, scale 4" in done.stdout
    assert "edsr.pth, params, sha256 " in (folder / "scores.md").read_text()
