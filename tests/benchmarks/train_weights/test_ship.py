"""What is shipped and what is not, and what the card says."""

import csv
import hashlib
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from benchmarks.train_weights import card
from benchmarks.train_weights.__main__ import parser, run
from benchmarks.train_weights.ship import bicubic_scores, newest_weights, photo_psnr, read_pairs, score
from ssiu_arch.data.images import list_images, read_image, write_image
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import read_json, write_json
from ssiu_arch.weights import load
from ssiu_arch.weights.shipped import shipped

LINE = "iter: {:>7,}, lr:(1.0e-04,)] [eta: 0:01:41, time (data): {} (0.002)] l_pix: {} l_fft: 1.0e-01\n"
LOG = LINE.format(10, 0.5, 0.2) + "\t # psnr: 24.0\tBest: 24.0 @ 10 iter\n" + LINE.format(20, 0.25, 0.1)


@pytest.fixture
def ship(options, folder, networks):
    """Ship a network as the newest weights, of iteration 22, of a training whose log goes to 30."""

    def ship(name, *words, iteration=22):
        models = Path("experiments/toy/models")
        models.mkdir(parents=True, exist_ok=True)
        shutil.copy(networks[name], models / f"net_g_{iteration}.pth")
        (models.parent / "train_toy.log").write_text(LOG + LINE.format(30, 9.0, 0.3))
        given = ["ship", "-opt", "toy.yml", "--folder", str(folder), "--photos", "photos", *words]
        return run(parser().parse_args(given))

    return ship


def record():
    return read_json(Path("ship/SSIU_x4.json"))


def note(**facts):
    write_json(Path("experiments/toy.json"), {"start": "from scratch", "earlier": 0, "command": "typed", **facts})


def test_first_weights_must_beat_bicubic(ship, folder):
    (folder / "SSIU_x4.pth").unlink()
    bicubic, _ = bicubic_scores(read_pairs(Path("SunHays80/HR"), 4), 4)
    line = ship("bilinear")
    assert line.startswith("not shipped")
    assert f"{bicubic:.4f} dB" in line
    assert not list(folder.iterdir())


def test_equal_or_worse_weights_leave_all_as_it_was(ship, folder, networks):
    state = torch.load(networks["bilinear"])["params_ema"]
    torch.save({"params": {key: value.half() for key, value in state.items()}}, folder / "SSIU_x4.pth")
    before = (folder / "SSIU_x4.pth").read_bytes()
    for name in ("bilinear", "spoilt"):
        assert ship(name).startswith("not shipped")
    assert [path.name for path in folder.iterdir()] == ["SSIU_x4.pth"]
    assert (folder / "SSIU_x4.pth").read_bytes() == before


def test_weights_that_are_not_finite_are_refused(ship, folder, networks):
    before = (folder / "SSIU_x4.pth").read_bytes()
    held = torch.load(networks["bilinear"])
    held["params_ema"]["tail.0.weight"] *= float("nan")
    torch.save(held, networks["bilinear"])
    with pytest.raises(UserError, match="not finite"):
        ship("bilinear")
    assert (folder / "SSIU_x4.pth").read_bytes() == before


def test_better_ones_replace_all_files(ship, folder, networks):
    for name in ("Manga109", "Own", "Set14", "Set5"):
        shutil.copytree("SunHays80", f"benchmark/{name}")
    Path("benchmark/notes").mkdir()
    note()
    assert ship("bilinear", "--benchmarks", "benchmark").startswith("shipped")
    assert {path.name for path in folder.iterdir()} == {f"SSIU_x4.{e}" for e in ("pth", "json", "csv", "md", "png")}

    held, average = torch.load(folder / "SSIU_x4.pth"), torch.load(networks["bilinear"])["params_ema"]
    assert held.keys() == {"params", "params_ema"}
    for name, value in average.items():
        assert torch.equal(held["params_ema"][name], value.half())

    kept, net = record(), load(folder / "SSIU_x4.pth")
    psnr, ssim = score(net, read_pairs(Path("SunHays80/HR"), 4))
    assert kept["sha256"] == hashlib.sha256((folder / "SSIU_x4.pth").read_bytes()).hexdigest()
    assert kept["photo_psnr"] == pytest.approx(photo_psnr(net), abs=1e-9)
    assert list(kept["scores"]) == list(kept["bicubic"]) == ["SunHays80", "Set5", "Set14", "Manga109", "Own"]
    assert all(scores == pytest.approx([psnr, ssim]) for scores in kept["scores"].values())
    (facts,) = kept["runs"]
    assert (facts["iterations"], facts["seconds"]) == (22, 22 * 0.375)  # the median of what was logged up to 22
    picture = cv2.imread(str(folder / "SSIU_x4.png"))
    assert picture.min() < 50
    rows = list(csv.DictReader((folder / "SSIU_x4.csv").open()))
    assert [(row["run"], row["iteration"], row["l_pix"], row["psnr"]) for row in rows] == [
        ("1", "10", "0.2", "24.0"),
        ("1", "20", "0.1", ""),
    ]


def test_the_card_has_the_records_facts(ship, folder, options):
    options["datasets"]["train"].update(batch_size_per_gpu=10_240, gt_size=256)
    Path("toy.yml").write_text(yaml.safe_dump(options))
    note(command="python -m benchmarks.train_weights start -opt toy.yml")
    Path("sources.csv").write_text("width,file,licence,source\n9,site/astronaut.png,CC0,a_site\n9,none.png,,x\n")
    ship("bilinear", "--sources", "sources.csv", "--note", "the target was a teacher's output")
    text, kept = (folder / "SSIU_x4.md").read_text(), record()
    psnr, ssim = kept["scores"]["SunHays80"]
    for fact in (
        "| photos | 1 (0.1 megapixels) | 3,450 ",
        "| iterations | 22 | 1,000,500 |",
        "| LR pixels seen, in millions | 922.7 | 163,922 |",
        f"| these weights | {psnr:.2f} / {ssim:.4f} |",
        f"sha256: `{kept['sha256']}`",
        "basicsr 1.4.2, torch",
        "| a\\_site | CC0 | 1 |",
        "- start: from scratch",
        "0.0005, cosine periods of 8,000 iterations down to 1e-06",  # the others were not begun
        "10240 LR patches of 64x64",
        "| hours | 0.00 |",
        "score lower.\nthe target was a teacher's output\n",
        "- done: 22 iterations on ",
        "```bash\npython -m benchmarks.train_weights start -opt toy.yml\n```",
    ):
        assert fact in text, fact


def test_a_training_that_the_script_did_not_start_is_shipped_too(ship):
    assert ship("bilinear").startswith("shipped")
    (facts,) = record()["runs"]
    assert (facts["start"], facts["command"]) == ("from scratch", "basicsr train -opt toy.yml --auto_resume")


def test_the_card_names_the_weights_whose_training_is_not_counted(ship, folder):
    for start, named in (("from scratch", False), ("SSIU_x3.pth, sha256 1234", True)):
        note(start=start)
        ship("bilinear")
        assert ("began with SSIU_x3.pth, whose" in (folder / "SSIU_x4.md").read_text()) is named
        (folder / "SSIU_x4.pth").write_bytes(Path("spoilt.pth").read_bytes())


def test_runs_add_up_and_one_that_is_shipped_again_counts_once(ship, folder, networks):
    def ship_after(earlier):
        note(earlier=earlier)
        state = torch.load(networks["spoilt"])["params_ema"]
        torch.save({"params_ema": state}, folder / "SSIU_x4.pth")
        ship("bilinear")
        rows = [row["run"] for row in csv.DictReader((folder / "SSIU_x4.csv").open())]
        return len(record()["runs"]), rows

    assert ship_after(0) == (1, ["1", "1"])
    assert ship_after(1) == (2, ["1", "1", "2", "2"])
    assert ship_after(1) == (2, ["1", "1", "2", "2"])
    assert "| iterations | 44 |" in (folder / "SSIU_x4.md").read_text()
    assert ship_after(0) == (1, ["1", "1"])


def test_sources_are_counted_by_path_or_name_of_photos_that_are_large_enough(ship):
    photo = read_image(Path("photos/site/astronaut.png"))
    for name in ("a/a.png", "b.png", "c.png", "d.png"):
        write_image(Path("photos") / name, photo)
    write_image(Path("photos/small.png"), photo[:31])  # a training patch has 32
    Path("sources.csv").write_text(
        "file,licence,source\nsite/astronaut.png,CC0,one\na.jpg,CC0,one\nc.png,,two\nsmall.png,CC0,x\n"
    )
    ship("bilinear", "--sources", "sources.csv")
    assert record()["runs"][0]["sources"] == [
        ["one", "CC0", 2],
        ["not named", "not known", 2],
        ["two", "not known", 1],
    ]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--sources", "bad.csv"), "licence"),
        (("--sources", "none.csv"), "none.csv"),
        (("--photos", "nowhere"), "nowhere"),
        (("--photos", "tiny"), "32 pixels"),
        (("--validation", "nowhere"), "nowhere"),
        (("--validation", "empty"), "empty"),
        (("--benchmarks", "nowhere"), "nowhere"),
        (("--benchmarks", "empty"), "Set5/HR"),
    ],
)
def test_refused_with_the_name_of_what_is_wrong(ship, folder, words, named):
    Path("bad.csv").write_text("file,source\na.png,a site\n")
    Path("empty").mkdir()
    write_image(Path("tiny/a.png"), np.zeros((31, 99, 3), np.uint8))
    with pytest.raises(UserError, match=named):
        ship("bilinear", *words)
    assert [path.name for path in folder.iterdir()] == ["SSIU_x4.pth"]


def test_the_weights_of_the_last_iteration_count(place, networks):
    for name in ("90", "100", "latest"):
        shutil.copy(networks["bilinear"], f"net_g_{name}.pth")
    assert newest_weights(place)[1] == 100
    with pytest.raises(UserError, match="net_g_N"):
        newest_weights(place / "photos")


def test_validation_pairs(options, place):
    line = run(parser().parse_args(["pairs", "-opt", "toy.yml", str(place / "photos/site")]))
    assert re.match("1 pairs? .*SunHays80/HR.*SunHays80/LR", line)
    assert "astronaut.png" in [path.name for path in list_images(Path("SunHays80/HR"))]
    hr = read_image(Path("photos/site/astronaut.png"))
    assert np.array_equal(read_image(Path("SunHays80/LR/astronaut.png")), make_lr(hr, 4))


def test_scores_are_those_of_basicsrs_metrics(place):
    from basicsr.metrics import calculate_psnr, calculate_ssim

    from ssiu_arch import upscale

    net = load(shipped(4))  # tells RGB from BGR
    ((hr, lr),) = read_pairs(place / "SunHays80/HR", 4)
    result = upscale(np.ascontiguousarray(lr[..., ::-1]), net)[..., ::-1]
    expected = [metric(result, hr, 4, test_y_channel=True) for metric in (calculate_psnr, calculate_ssim)]
    assert score(net, [(hr, lr), (hr, lr)]) == pytest.approx(expected, abs=1e-9)


def test_curves_are_smoothed_by_run_and_all_in_the_legend(monkeypatch):
    from matplotlib.figure import Figure

    monkeypatch.setattr(Figure, "savefig", lambda self, file, **_: figures.append(self))
    figures = []
    rows = [f"{run},{n},{run + n % 2},{10 * run},{30 if n == 40 else ''}" for run in (1, 5) for n in range(1, 41)]
    card.plot("\n".join([",".join(card.COLUMNS), *rows]), "title")
    losses, scores = figures[0].axes
    assert {text.get_text() for text in figures[0].legends[0].get_texts()} == {"l_pix", "l_fft", "validation PSNR"}
    at, values = losses.lines[0].get_data()
    assert list(at) == list(range(1, 81))
    assert np.allclose(values[:40], 1.5, atol=0.07)
    assert np.allclose(values[40:], 5.5, atol=0.07)
    assert list(scores.lines[0].get_xdata()) == [40, 80]
