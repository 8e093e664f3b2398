"""The segments of a stint, around a training that is made up."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.train_weights import plan as plans
from benchmarks.train_weights import run
from ssiu_arch.data.images import read_image, write_image
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights.reading import read_checkpoint
from ssiu_arch.weights.ssiu import find_ssiu
from ssiu_arch.weights.writing import as_bytes

LINE = "iter:     {}, lr:(1.0e-04,)] [eta: 0:01:41, time (data): 0.500 (0.002)] l_pix: 1.0e-02 l_fft: 2.0e-02\n"


@pytest.fixture
def request_(root, tmp_path, monkeypatch, photo, networks):
    """What one segment is asked for, in a folder with photos and with shipped weights that are poor."""
    import skimage.data

    write_image(tmp_path / "photos/astronaut.png", skimage.data.astronaut()[:256, :256, ::-1])
    write_image(tmp_path / "photos/of_val/coffee.png", photo)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ship").mkdir()
    poor = find_ssiu("spoilt", read_checkpoint(networks["spoilt"]), None)
    (tmp_path / "ship/SSIU_x4.pth").write_bytes(as_bytes(poor, ".pth"))
    monkeypatch.setattr(plans, "schedule", lambda pace, minutes, segments, spent: plans.rounded(30))
    return run.Request(
        options=root / "options/shipped/train_SSIU_x4.yml",
        photos=Path("photos"),
        sources=None,
        validation=Path("photos/of_val"),
        minutes=9,
        segments=1,
        benchmarks=None,
        folder=Path("ship"),
        scratch=False,
        rate=1.0,
        trial=4,
        jobs=1,
        changes=["network_g:num_feat=8", "network_g:num_block=3"],
        command="python benchmarks/train_weights",
    )


@pytest.fixture
def training(monkeypatch, networks):
    """Trainings that end at the iterations of a list, in turn; each has the weights of ``bilinear``."""
    ends, given = [], []

    def train(options, *, resume, seconds):
        given.append((str(options), resume, seconds))
        folder = Path("experiments/stint_SSIU_x4")
        (folder / "models").mkdir(parents=True, exist_ok=True)
        iteration = ends.pop(0)
        shutil.copy(networks["bilinear"], folder / f"models/net_g_{iteration}.pth")
        (folder / f"train_{len(given)}.log").write_text(LINE.format(iteration))
        return iteration == 30

    monkeypatch.setattr(run, "train", train)
    return ends, given


def test_what_is_there_when_the_time_is_over_is_shipped_and_gone_on_with(request_, training, capsys):
    ends, given = training
    ends += [20, 30]
    run.segment(request_)
    out = capsys.readouterr()
    assert "shipped: " in out.out + out.err
    assert "not all iterations are done: the same command goes on with them" in out.out + out.err
    record = json.loads(Path("ship/SSIU_x4.json").read_text())
    assert [stint["iterations"] for stint in record["stints"]] == [20]
    assert given[0][:2] == ("experiments/stint_SSIU_x4.yml", True)
    assert 540 - plans.ENDING - 60 < given[0][2] < 540 - plans.ENDING

    run.segment(request_)  # the same weights once more: no better
    out = capsys.readouterr()
    assert "not shipped: " in out.out + out.err
    with pytest.raises(UserError, match="this stint has ended"):
        run.segment(request_)


def test_a_segment_before_the_last_ships_nothing(request_, training):
    ends, given = training
    ends += [20, 30]
    request_ = replace(request_, segments=2)
    before = Path("ship/SSIU_x4.pth").read_bytes()
    run.segment(request_)
    assert Path("ship/SSIU_x4.pth").read_bytes() == before
    assert 540 - plans.LEAVING - 60 < given[0][2] < 540 - plans.LEAVING
    run.segment(request_)
    assert 540 - plans.ENDING - 5 < given[1][2] < 540 - plans.ENDING
    assert Path("ship/SSIU_x4.pth").read_bytes() != before


def test_small_photos_do_not_count_and_validation_photos_are_paired(request_, training):
    training[0].append(30)
    run.segment(request_)
    (stint,) = json.loads(Path("ship/SSIU_x4.json").read_text())["stints"]
    assert stint["data"] == {
        "images": 1,
        "megapixels": 256 * 256 / 1e6,
        "sources": [["not named", "not known", 1]],
        "batch": 40,
        "patch": 64,
    }
    assert stint["rate"] == plans.FROM_WEIGHTS
    assert stint["start"].startswith("SSIU_x4.pth, sha256 ")
    assert {str(p.relative_to("datasets/SunHays80")) for p in Path("datasets/SunHays80").rglob("*.png")} == {
        "HR/coffee.png",
        "LR_bicubic/X4/coffee.png",
    }


def test_sources_are_counted_by_path_or_name_for_the_photos_that_are_trained_on(request_, training):
    photo = read_image(Path("photos/astronaut.png"))
    for name in ("site/a.png", "site/b.png", "c.png", "d.png"):
        write_image(Path("photos") / name, photo)
    Path("sources.csv").write_text(
        "width,file,licence,source\n9,site/a.png,CC0,a site\n9,b.png,CC0,a site\n9,c.png,,another\n9,coffee.png,,x\n"
    )
    training[0].append(30)
    run.segment(replace(request_, sources=Path("sources.csv")))
    (stint,) = json.loads(Path("ship/SSIU_x4.json").read_text())["stints"]
    assert stint["data"]["sources"] == [
        ["a site", "CC0", 2],
        ["not named", "not known", 2],
        ["another", "not known", 1],
    ]


def test_a_table_of_sources_without_licences_is_refused(request_, training):
    Path("sources.csv").write_text("file,source\na.png,a site\n")
    with pytest.raises(UserError, match=r"--sources sources.csv: has no column licence; needed are file, source, lic"):
        run.segment(replace(request_, sources=Path("sources.csv")))
    with pytest.raises(UserError, match=r"--sources none.csv: cannot be read \(.*No such file"):
        run.segment(replace(request_, sources=Path("none.csv")))


def test_another_validation_set_in_its_place_is_refused(request_, training, photo):
    write_image(Path("datasets/SunHays80/HR/other.png"), photo)
    with pytest.raises(UserError, match=r"other.png: is of another set than photos/of_val; move it"):
        run.segment(request_)
    Path("datasets/SunHays80/HR/other.png").unlink()
    write_image(Path("datasets/SunHays80/HR/coffee.png"), photo[::-1])
    with pytest.raises(UserError, match=r"coffee.png: is another image than that of photos/of_val; move it"):
        run.segment(request_)


def test_the_weights_of_the_last_iteration_count(tmp_path):
    for name in ("90", "100", "latest"):
        (tmp_path / f"net_g_{name}.pth").touch()
    assert run.newest_weights(tmp_path) == (tmp_path / "net_g_100.pth", 100)


def test_weights_of_no_iteration_are_an_error(tmp_path):
    (tmp_path / "net_g_latest.pth").touch()
    with pytest.raises(UserError, match="holds no weights; the training was stopped before its first iteration"):
        run.newest_weights(tmp_path)
