"""``ssiu profile``: what it shows and writes, and bad input."""

import csv
import re

import pytest
import torch
import yaml

from ssiu_arch.tools.profile import candidates, run

TINY = {"num_feat": 8, "num_block": 3}


@pytest.fixture
def profile(ssiu, tmp_path, monkeypatch):
    """Run the verb on small presets in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("eager", "fused"):
        monkeypatch.setitem(candidates.PRESETS, name, candidates.replace(candidates.PRESETS[name], options=TINY))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield lambda *arguments: ssiu("profile", "--threads", "1", *arguments)
    torch.set_num_threads(threads)


@pytest.fixture
def mine(tmp_path):
    """An option file of a small SSIU x3."""
    (tmp_path / "mine.yml").write_text(yaml.safe_dump({"network_g": {"type": "SSIU", "upscale": 3, **TINY}}))
    return "mine.yml"


def test_a_run_from_words_to_files(profile, mine, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    requests = []
    monkeypatch.setattr(run, "peak_memory", lambda *request: requests.append(request[1:]) or len(requests) * 10**6)
    code, out, err = profile(
        "fused", "eager", "fused", "-opt", mine, "--size", "8x12", "16x16", "8x12", "--batch", "2",
        "--runs", "3", "--markdown", "cost.md", "--csv", "cost.csv", "--plot", "cost.png",
        "--psnr-set", "Set5", "--psnr", "fused=30.5",
    )  # fmt: skip
    assert code == 0, err
    assert torch.get_num_threads() == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cost.csv", "cost.md", "cost.png", "mine.yml"]
    names = ["fused", "eager", mine]
    assert requests == [(torch.device("cpu"), size, 2, 1) for size in ((8, 12), (16, 16)) for _ in names]
    records = list(csv.DictReader((tmp_path / "cost.csv").open()))
    assert [(r["candidate"], r["height"], r["width"], r["upscale"], r["runs"], r["threads"]) for r in records] == [
        (name, *size, "3", "3", "1") for size in (("8", "12"), ("16", "16")) for name in names
    ]
    assert {record["baseline"] for record in records} == {"eager"}  # though it is not the first
    assert [float(record["memory_ratio"]) for record in records[:3]] == [0.5, 1.0, 1.5]
    assert [float(record["latency_ratio"]) for record in records[1::3]] == [1.0, 1.0]
    assert all(0 < float(record["latency_s"]) < 10 for record in records)
    assert [record["psnr"] for record in records[:3]] == ["30.5", "34.79", ""]
    assert "LR 16x16 (height x width), batch 2" in (tmp_path / "cost.md").read_text()
    assert "LR 16x16 (height x width), batch 2" in out
    assert [line.split()[-1] for line in out.splitlines()[-3:]] == ["cost.md", "cost.csv", "cost.png"]
    assert mine in err  # it has no PSNR, hence no point


def test_what_is_left_out_is_not_measured(profile, mine, monkeypatch):
    monkeypatch.setattr(run, "peak_memory", None)
    code, out, _ = profile("-opt", mine, "--no-latency", "--no-memory")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("LR 240x427 (height x width), batch 1")  # for 720x1280 at the file's scale
    assert lines[1].split() == ["parameters", "G", "mult-adds"]
    assert lines[2].split()[0] == mine


OUT = ["--no-latency", "--no-memory", "--size", "8x8"]
BAD = {
    "no such preset": (["eagr"], r"eagr: .*did you mean eager"),
    "another scale": (["-opt", "mine.yml", "--upscale", "2"], r"mine.yml: upscale \(3\).*--upscale"),
    "a scale that is none": (["--upscale", "two"], r"--upscale: 'two'"),
    "a network of something else": (["-opt", "unet.yml"], r"unet.yml: cannot run on LR images of 5x5"),
    "an argument the network lacks": (["-opt", "typo.yml"], r"typo.yml: .*num_feat"),
    "one side": (["--size", "80"], r"--size: '80'"),
    "an empty batch": (["--batch", "0"], r"--batch: '0'"),
    "no runs": (["--runs", "0"], r"--runs: '0'"),
    "no threads": (["--threads", "0"], r"--threads: '0'"),
    "no device": (["--device", "gpu"], r"--device gpu: .*cpu, cuda"),
    "no option file": (["-opt", "none.yml"], r"none.yml: "),
    "an option file without a network": (["-opt", "empty.yml"], r"-opt empty.yml: .*network_g"),
    "an option file of nobody's network": (["-opt", "other.yml"], r"-opt other.yml: .*'NoNet'"),
    "no folder": (["--markdown", "nowhere/cost.md"], r"--markdown nowhere/cost.md: .*folder"),
    "two outputs of a name": (["--csv", "a", "--markdown", "./a"], r"--csv a: .*another file of this run"),
    "a picture of another kind": (["--plot", "cost.txt"], r"--plot cost.txt: .*\.png, \.pdf, \.svg"),
    "another data set": (["--psnr-set", "Set6"], r"--psnr-set: .*'Set6'"),
    "a score of nobody": (["eager", "--psnr", "x=3"], r"--psnr x: .*eager"),
    "a score that is none": (["eager", "--psnr", "eager=hi"], r"--psnr: 'eager=hi'"),
    "a score beyond reason": (["eager", "--psnr", "eager=1000"], r"--psnr: 'eager=1000'"),
}


@pytest.mark.parametrize(("arguments", "line"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_before_anything_is_written(profile, mine, tmp_path, arguments, line):
    (tmp_path / "empty.yml").write_text("name: nothing\n")
    (tmp_path / "other.yml").write_text("network_g: {type: NoNet}\n")
    (tmp_path / "typo.yml").write_text("network_g: {type: SSIU, num_fea: 8}\n")
    (tmp_path / "unet.yml").write_text("network_g: {type: UNetDiscriminatorSN_basicsr, num_in_ch: 3}\n")
    before = sorted(tmp_path.iterdir())
    options = OUT[:2] if "--size" in arguments else [*OUT[:3], "5x5"]
    code, out, err = profile(*arguments, *options)
    assert (code, out) == (2, ""), err
    assert re.fullmatch(rf"ssiu profile: .*{line}.*\n", err), err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there(profile):
    code, _, err = profile("eager", "--device", "cuda")
    assert code == 2
    assert "--device cpu" in err


def test_a_missing_extra_is_named(profile, monkeypatch):
    monkeypatch.setattr("ssiu_arch.utils.extras.find_spec", lambda name: None)
    code, _, err = profile("eager", "--plot", "cost.png")
    assert code == 2
    assert "pip install 'ssiu-arch[plot]'" in err


def test_a_file_that_cannot_be_written(profile, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(13, "Permission denied")

    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    code, out, err = profile("eager", *OUT, "--plot", "cost.png")
    assert code == 2
    assert re.fullmatch(r"ssiu profile: cost\.png: .*Permission denied.*\n", err)
    assert out.startswith("LR 8x8")  # what was measured is not lost


def test_a_run_can_be_interrupted(profile, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "in_turns", interrupt)
    code, _, err = profile("eager", "--size", "8x8", "--no-memory")
    assert (code, err) == (130, "ssiu profile: interrupted\n")
