"""``ssiu profile``: what it shows and writes, and bad input."""

import csv
import re

import pytest
import torch
import yaml

from ssiu_arch.cli import main as command
from ssiu_arch.tools.profile import figure, memory
from ssiu_arch.tools.profile.resident import Peak

TINY = "num_feat=8,num_block=3"


@pytest.fixture
def profile(tmp_path, monkeypatch, capsys):
    """Run the verb in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = command.ssiu(["profile", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield run
    torch.set_num_threads(threads)


def test_a_run_from_words_to_files(profile, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    requests = []
    monkeypatch.setattr(
        memory, "in_fresh_process", lambda *request: requests.append(request[1:]) or Peak(len(requests) * 10**6)
    )
    names = [f"eager:{TINY}", f"fused:{TINY}", "EDSR:num_in_ch=3,num_out_ch=3,num_feat=8,num_block=1+bf16"]
    files = ["--markdown", "cost.md", "--csv", "cost.csv", "--plot", "cost.png", "--psnr", f"{names[1]}=30.5"]
    code, out, err = profile(
        *names, "--size", "8x12", "16x16", "--batch", "2", "--upscale", "2", "--threads", "2", "--runs", "3",
        "--warmup", "0", "--baseline", names[1], *files,
    )  # fmt: skip
    assert code == 0, err
    assert torch.get_num_threads() == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cost.csv", "cost.md", "cost.png"]
    assert requests == [("cpu", size, 2, 2) for size in ((8, 12), (16, 16)) for _ in names]
    records = list(csv.DictReader((tmp_path / "cost.csv").open()))
    assert [(r["candidate"], r["height"], r["width"], r["upscale"], r["runs"], r["threads"]) for r in records] == [
        (name, *size, "2", "3", "2") for size in (("8", "12"), ("16", "16")) for name in names
    ]
    assert [record["memory_ratio"] for record in records[:3]] == ["0.5", "1.0", "1.5"]
    assert [float(record["latency_ratio"]) for record in records[1::3]] == [1.0, 1.0]
    assert all(0 < float(record["latency_s"]) < 10 and float(record["share_of_peak"]) > 0 for record in records)
    written = (tmp_path / "cost.md").read_text()
    assert "LR 16x16 (height x width), batch 2" in written
    assert "LR 16x16 (height x width), batch 2" in out
    assert out.splitlines()[-3:] == [f"written to    cost.{suffix}" for suffix in ("md", "csv", "png")]
    assert f"not in the plot: {names[0]}, {names[2]}: no PSNR is known" in err


def test_what_is_left_out_is_not_measured(profile, monkeypatch):
    monkeypatch.setattr(memory, "in_fresh_process", None)
    code, out, _ = profile(f"eager:{TINY}", "--size", "8x8", "--no-latency", "--no-memory")
    assert code == 0
    assert out.splitlines()[1].split() == ["parameters", "G", "mult-adds"]


def test_option_files_bring_networks_and_the_scale(profile, root, tmp_path):
    opt = {"network_g": {"type": "SSIU", "upscale": 3, "num_feat": 8, "num_block": 3}}
    (tmp_path / "mine.yml").write_text(yaml.safe_dump(opt))
    code, out, _ = profile(f"plain:{TINY}", "-opt", "mine.yml", "--no-latency", "--no-memory")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("LR 240x427 (height x width), batch 1")
    assert [line.split()[0] for line in lines[2:4]] == [f"plain:{TINY}", "mine.yml"]
    assert lines[2].split()[1:] == lines[3].split()[1:]
    assert "x3" in out


def test_the_list_names_every_preset_and_mode(profile):
    from ssiu_arch.tools.profile.candidates import MODES, PRESETS

    code, out, _ = profile("--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()][: len(PRESETS)] == list(PRESETS)
    assert all(f"+{mode}" in out for mode in MODES)


OUT = ["--no-latency", "--no-memory", "--size", "8x8"]
BAD = {
    "no such preset": (["eagr"], r"eagr: no preset 'eagr'; did you mean eager\? Presets: plain, eager, fused"),
    "no such network": (["Swin"], r"Swin: network_g.type: no arch 'Swin' is registered; did you mean SwinIR"),
    "no such mode": (["eager+bf17"], r"no mode 'bf17': use fp32, tf32, bf16, fp16, compile"),
    "a plus sign alone": (["eager+"], r"eager\+: no mode ''"),
    "a mode twice": (["eager+compile+compile"], r"the mode compile is given twice"),
    "two precisions": (["eager+bf16+fp16"], r"one precision at a time: fp32, tf32, bf16, fp16"),
    "layout of the fast form": (["fused+channels_last"], r"channels_last: the fused form has a layout of its own"),
    "graphs of another form": (["plain+graphs"], r"graphs: only the fused form runs as CUDA graphs"),
    "strips of another form": (["eager+strip64"], r"strip: only the fused form computes strips of rows"),
    "rows of a strip": (["fused+strip33"], r"fused\+strip33: strip \(33\) must be a multiple of 16"),
    "graphs without a GPU": (["fused+graphs"], r"graphs is a mode of GPUs: add --device cuda, or leave it out"),
    "tf32 without a GPU": (["eager+tf32"], r"tf32 is a mode of GPUs"),
    "a colon alone": (["eager:"], r"eager:: no KEY=VALUE after the colon"),
    "no value": (["eager:num_feat"], r"'num_feat' is no KEY=VALUE"),
    "no key": (["eager:=3"], r"'=3' is no KEY=VALUE"),
    "a key twice": (["eager:num_feat=8,num_feat=16"], r"num_feat is given twice"),
    "a value that is no YAML": (["eager:num_feat=]"], r"num_feat \(\]\) is no value of an option file"),
    "no such argument": (["eager:num_fea=8"], r"no such argument; did you mean num_feat"),
    "a refused argument": (["eager:num_feat=10"], r"num_feat \(10\) must be divisible by twice num_head \(4\)"),
    "a digit too many": (["eager:num_feat=64000"], r"is there a digit too many"),
    "missing arguments": (["EDSR"], r"EDSR: network_g: EDSR cannot be built: .*missing 2 required"),
    "a network of something else": (["UNetDiscriminatorSN_basicsr:num_in_ch=3", "--size", "5x5"], r"cannot run on LR "),
    "another scale": (["SSIU:scale=2"], r"scale \(2\) is not the scale of this run \(4\): see --upscale"),
    "a scale the preset lacks": (["rrdbnet", "--upscale", "2"], r"RRDBNet has no scale 2: .* --upscale 4"),
    "a scale the network lacks": (["eager", "--upscale", "5"], r"eager: SSIU has no scale 5: .* --upscale 2 or 3 or 4"),
    "a scale that is none": (["--upscale", "two"], r"argument --upscale: 'two' is no whole number from 1 to 8"),
    "a candidate twice": (["eager", "plain", "eager"], r"the candidate eager is given twice"),
    "one side": (["--size", "80"], r"argument --size: '80' is no size: write height x width from 1 to 16384"),
    "an empty image": (["--size", "0x5"], r"'0x5' is no size"),
    "a huge image": (["--size", "20000x5"], r"'20000x5' is no size"),
    "a size twice": (["eager", "--size", "8x8", "8x8"], r"--size: 8x8 is given twice"),
    "a batch twice": (["eager", "--batch", "4", "4"], r"--batch: 4 is given twice"),
    "an empty batch": (["--batch", "0"], r"argument --batch: '0' is no whole number from 1 to 1000000"),
    "no runs": (["--runs", "0"], r"argument --runs: '0' is no whole number"),
    "runs that are no number": (["--runs", "many"], r"argument --runs: 'many' is no whole number"),
    "a negative warm-up": (["--warmup", "-1"], r"argument --warmup: "),
    "no threads": (["--threads", "0"], r"argument --threads: '0' is no whole number from 1 to 4096"),
    "no device": (["--device", "gpu"], r"--device gpu: is no device: use cpu, cuda or cuda:0"),
    "a device of another kind": (["--device", "meta"], r"--device meta: only cpu and cuda can be used"),
    "another baseline": (["eager", "--baseline", "plain"], r"--baseline plain: is none of the candidates: eager"),
    "no option file": (["-opt", "none.yml"], r"-opt none.yml: no such file"),
    "an option file without a network": (["-opt", "empty.yml"], r"-opt empty.yml: has no network_g with a type"),
    "an option file of nobody's network": (["-opt", "other.yml"], r"-opt other.yml: .*no arch 'NoNet' is registered"),
    "no folder": (["--markdown", "nowhere/cost.md"], r"--markdown nowhere/cost.md: there is no folder nowhere"),
    "a folder for a file": (["--csv", "folder"], r"--csv folder: is a folder: name a file"),
    "two outputs of a name": (["--csv", "a", "--markdown", "./a"], r"two outputs have this name"),
    "a picture of another kind": (["--plot", "cost.txt"], r"--plot cost.txt: the name must end with .png, .pdf, .svg"),
    "another data set": (["--plot", "a.png", "--plot-set", "Set6"], r"--plot-set Set6: Table I has Set5, Set14"),
    "another axis": (["--plot-cost", "money"], r"argument --plot-cost: invalid choice: 'money'"),
    "an axis that is left out": (["--plot", "a.png", "--plot-cost", "latency"], r"--no-latency leaves it out"),
    "a score without a plot": (["--psnr", "eager=3"], r"--psnr: is for --plot FILE.png only"),
    "a score of nobody": (["eager", "--plot", "a.png", "--psnr", "x=3"], r"--psnr x=3: is no CANDIDATE=DB of a cand"),
    "a score that is none": (["eager", "--plot", "a.png", "--psnr", "eager=hi"], r"'hi' is no PSNR in dB"),
    "an unknown option": (["--colour"], r"unrecognized arguments: --colour; see ssiu profile --help"),
}


@pytest.mark.parametrize(("arguments", "line"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_before_anything_is_written(profile, tmp_path, arguments, line):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.yml").write_text("name: nothing\n")
    (tmp_path / "other.yml").write_text("network_g: {type: NoNet}\n")
    before = sorted(tmp_path.iterdir())
    options = OUT[:2] if "--size" in arguments else OUT
    code, out, err = profile(*arguments, *options)
    assert (code, out) == (2, ""), err
    assert re.fullmatch(rf"ssiu profile: .*{line}.*\n", err), err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there(profile):
    code, _, err = profile("eager", "--device", "cuda")
    assert (code, err) == (2, "ssiu profile: --device cuda: torch finds no GPU here; use --device cpu\n")


def test_a_missing_extra_is_named(profile, monkeypatch):
    monkeypatch.setattr("ssiu_arch.utils.extras.find_spec", lambda name: None)
    code, _, err = profile("eager", "--plot", "cost.png")
    expected = "--plot needs matplotlib, which is not installed: pip install 'ssiu-arch[plot]'"
    assert (code, err) == (2, f"ssiu profile: {expected}\n")


def test_a_file_that_cannot_be_written(profile, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    monkeypatch.setattr(figure, "draw", fail)
    code, out, err = profile(f"eager:{TINY}", *OUT, "--plot", "cost.png")
    assert (code, err) == (2, "ssiu profile: cost.png: cannot be written (No space left on device)\n")
    assert out.startswith("LR 8x8")  # what was measured is not lost


def test_a_run_can_be_interrupted(interrupted):
    arguments = ["profile", f"eager:{TINY}", "--size", "32x32", "--no-memory", "--threads", "1", "--runs", "1000000"]
    code, said = interrupted(*arguments, at="] latency of")
    assert code == 130
    assert said.splitlines()[-1] == "ssiu profile: interrupted"
    assert "Traceback" not in said
