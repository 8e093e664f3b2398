"""What is shipped and what is not, and what is told of it."""

import csv
import hashlib
import io
import json

import cv2
import numpy as np
import pytest
import torch

from benchmarks.train_weights.log import Row
from benchmarks.train_weights.scores import photo_psnr, psnr, psnr_and_ssim, read_pairs
from benchmarks.train_weights.shipping import Outcome, ship
from ssiu_arch.data.bicubic import bicubic_scores
from ssiu_arch.data.images import read_image
from ssiu_arch.data.script import cores
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import load
from ssiu_arch.weights.reading import read_checkpoint
from ssiu_arch.weights.ssiu import find_ssiu
from ssiu_arch.weights.writing import as_bytes

ROWS = [Row(10, 0.5, {"l_pix": 0.2, "l_fft": 0.1}, 24.0), Row(20, 0.25, {"l_pix": 0.1, "l_fft": 0.05})]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "ship"


def put(folder, network):
    """Weights that are shipped already, in single precision."""
    folder.mkdir(exist_ok=True)
    file = folder / "SSIU_x4.pth"
    file.write_bytes(as_bytes(find_ssiu(network, read_checkpoint(network), None), ".pth"))
    return file.read_bytes()


@pytest.mark.parametrize(
    ("new", "before", "better"),
    [(30.01, 30.0, True), (30.0, 30.0, False), (29.9, 30.0, False), (float("nan"), 1, False)],
)
def test_only_what_is_better_is(new, before, better):
    assert Outcome(new, before, "").better is better


def test_first_weights_must_beat_bicubic(plan, networks, folder, validation):
    outcome = ship(plan, networks["bilinear"], 22, ROWS, folder, ("val", validation), {})
    pairs = [(read_image(validation[0] / "coffee.png"), read_image(validation[1] / "coffee.png"))]
    assert outcome.before == bicubic_scores(pairs, 4)[0]
    assert outcome.what == "bicubic interpolation"
    assert outcome.new < outcome.before  # bilinear
    assert not folder.exists()


def test_worse_weights_leave_all_as_it_was(plan, networks, folder, validation):
    before = put(folder, networks["bilinear"])
    outcome = ship(plan, networks["spoilt"], 22, ROWS, folder, ("val", validation), {})
    assert outcome.what == "the weights shipped before"
    assert outcome.new < outcome.before
    assert [path.name for path in folder.iterdir()] == ["SSIU_x4.pth"]
    assert (folder / "SSIU_x4.pth").read_bytes() == before


def test_better_ones_replace_them_in_half_precision_with_all_that_belongs_to_them(plan, networks, folder, validation):
    put(folder, networks["spoilt"])
    outcome = ship(plan, networks["bilinear"], 22, ROWS, folder, ("val", validation), {"Set5": validation})
    assert outcome.better
    assert {path.name for path in folder.iterdir()} == {f"SSIU_x4.{e}" for e in ("pth", "json", "csv", "md", "png")}

    held = torch.load(folder / "SSIU_x4.pth")
    average = torch.load(networks["bilinear"])["params_ema"]
    assert held.keys() == {"params", "params_ema"}
    for name, value in average.items():
        assert torch.equal(held["params_ema"][name], value.half())
        assert held["params"][name].data_ptr() == held["params_ema"][name].data_ptr()

    record = json.loads((folder / "SSIU_x4.json").read_text())
    net = load(folder / "SSIU_x4.pth")
    assert record["sha256"] == hashlib.sha256((folder / "SSIU_x4.pth").read_bytes()).hexdigest()
    assert record["photo_psnr"] == pytest.approx(photo_psnr(net), abs=1e-9)
    assert record["ssim"].keys() == {"Set5"}
    assert record["scores"] == {"val": pytest.approx(outcome.new), "Set5": pytest.approx(outcome.new)}
    (stint,) = record["stints"]
    assert (stint["iterations"], stint["seconds"], stint["measured_rate"]) == (22, 900.0, pytest.approx(1 / 0.375))
    if not torch.cuda.is_available():
        assert stint["device"].endswith(f", {cores()} cores")
    picture = cv2.imread(str(folder / "SSIU_x4.png"))
    assert picture.shape == (350, 600, 3)
    assert picture.min() < 50

    card = (folder / "SSIU_x4.md").read_text()
    for fact in (
        "not the weights of the paper",
        "3 photos of 402 megapixels in all, not on DF2K",
        "22 iterations, in which they saw 0.385 million LR pixels; ",
        "of 40 patches of 64x64, 163,922 million.",
        "an iteration: 7 LR patches of 50x50",
        "| a site | CC0 | 3 |",
        f"| these weights | {outcome.new:.2f} | {outcome.new:.2f} / {record['ssim']['Set5']:.4f} |",
        "| the paper's weights | - | 32.64 |",
        f"sha256 `{record['sha256']}`",
        "22 iterations, 0.25 hours on ",
        "basicsr 1.4.2, torch",
        "predicted: 30 iterations, 2 iterations/s, Set5 30.50 dB (a guess)",
        "measured: 22 iterations, 2.67 iterations/s, 15.0 minutes",
        "start: from scratch; highest learning rate 0.001",
        "```bash\npython benchmarks/train_weights --minutes 9\n```",
    ):
        assert fact in card, fact


def test_the_card_says_what_weights_of_another_scale_these_began_as(plan, networks, folder, validation):
    def text():
        put(folder, networks["spoilt"])
        assert ship(plan, networks["bilinear"], 22, ROWS, folder, ("val", validation), {}).better
        return (folder / "SSIU_x4.md").read_text()

    assert "They began as" not in text()
    plan.started_with = "SSIU_x3.pth, sha256 1234"
    assert "163,922 million. They began as SSIU_x3.pth, whose training is not counted here." in text()


def test_what_was_logged_after_the_weights_were_saved_is_not_of_their_curves(plan, networks, folder, validation):
    put(folder, networks["spoilt"])
    beyond = [*ROWS, Row(30, 9.0, {"l_pix": 0.3}, 40.0)]
    ship(plan, networks["bilinear"], 22, beyond, folder, ("val", validation), {})
    assert [row["iteration"] for row in csv.DictReader((folder / "SSIU_x4.csv").open())] == ["10", "20"]
    (stint,) = json.loads((folder / "SSIU_x4.json").read_text())["stints"]
    assert stint["measured_rate"] == pytest.approx(1 / 0.375)


def test_long_trainings_are_told_in_digits(plan, networks, folder, validation):
    put(folder, networks["spoilt"])
    plan.data |= {"batch": 40, "patch": 64, "megapixels": 7_045.4}
    ship(plan, networks["bilinear"], 43_000, ROWS, folder, ("val", validation), {})
    text = (folder / "SSIU_x4.md").read_text()
    assert "photos of 7,045 megapixels" in text
    assert "43,000 iterations, in which they saw 7,045 million LR pixels" in text


def test_stints_add_up_and_one_that_is_shipped_again_counts_once(plan, networks, folder, validation):
    def shipped():
        put(folder, networks["spoilt"])
        assert ship(plan, networks["bilinear"], 22, ROWS, folder, ("val", validation), {}).better
        rows = list(csv.DictReader(io.StringIO((folder / "SSIU_x4.csv").read_text())))
        return len(json.loads((folder / "SSIU_x4.json").read_text())["stints"]), [
            (row["stint"], row["iteration"], row["l_pix"], row["psnr"]) for row in rows
        ]

    first = [("1", "10", "0.2", "24.0"), ("1", "20", "0.1", "")]
    assert shipped() == (1, first)
    plan.earlier = 1
    both = first + [("2", *row[1:]) for row in first]
    assert shipped() == (2, both)
    assert shipped() == (2, both)
    assert "44 iterations, 0.50 hours" in (folder / "SSIU_x4.md").read_text()
    plan.earlier = 0  # from scratch
    assert shipped() == (1, first)


def test_psnr_is_that_of_basicsrs_metric_on_the_networks_own_result(networks, validation):
    from basicsr.metrics import calculate_psnr
    from basicsr.utils import img2tensor, tensor2img

    net = load(networks["bilinear"])
    ((hr, lr),) = read_pairs(*validation, 4)
    with torch.no_grad():
        result = tensor2img(net(img2tensor(lr.astype(np.float32) / 255)[None]))
    assert psnr(net, [(hr, lr)]) == pytest.approx(calculate_psnr(result, hr, 4, test_y_channel=True), abs=0.01)


def test_ssim_is_that_of_basicsrs_metric(networks, validation):
    from basicsr.metrics import calculate_ssim

    from ssiu_arch import upscale

    net = load(networks["bilinear"])
    ((hr, lr),) = read_pairs(*validation, 4)
    result = upscale(np.ascontiguousarray(lr[..., ::-1]), net)[..., ::-1]
    found = psnr_and_ssim(net, [(hr, lr), (hr, lr)])
    assert found == pytest.approx((psnr(net, [(hr, lr)]), calculate_ssim(result, hr, 4, test_y_channel=True)), abs=1e-9)


def test_an_hr_image_without_lr_is_an_error(validation):
    (validation[1] / "coffee.png").rename(validation[1] / "coffeex4.png")
    assert len(list(read_pairs(*validation, 4))) == 1
    (validation[1] / "coffeex4.png").unlink()
    with pytest.raises(UserError, match=r"has no LR image in .* \(looked for coffeex4.png and coffee.png\)"):
        list(read_pairs(*validation, 4))
