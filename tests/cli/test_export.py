"""``ssiu export``: what it shows and writes, and bad input."""

import re

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from ssiu_arch import SSIU
from ssiu_arch.weights.shipped import shipped

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
QUICK = {"num_feat": 8, "num_block": 1, "sparse_attention": False, "feature_selector": False}  # to export


@pytest.fixture(scope="module")
def net(sine_weights):
    return sine_weights(SSIU(upscale=4, **QUICK))


@pytest.fixture
def export(ssiu, net, tmp_path, monkeypatch):
    """Run the verb in a folder with weights: exit code, stdout, stderr."""
    for package in PACKAGES:
        pytest.importorskip(package, reason=f"{package}, of the extra export, is not installed")
    monkeypatch.chdir(tmp_path)
    torch.save({"params": net.state_dict(), "params_ema": SSIU(upscale=2, **QUICK).state_dict()}, tmp_path / "net.pth")
    threads = torch.get_num_threads()
    yield lambda *arguments: ssiu("export", *arguments)
    torch.set_num_threads(threads)


def test_from_weights_to_a_checked_file(export, net, tmp_path):
    from ssiu_arch.tools.export import comparison
    from ssiu_arch.tools.export.comparison import opened

    options = ["--key", "params", "--latency", "8x12", "16x16", "--runs", "3", "--threads", "1"]
    code, out, err = export("net.pth", "-o", "x4.onnx", *options)
    assert code == 0, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.pth", "x4.onnx"]
    lines = out.splitlines()
    assert lines[0].startswith("Export parity by size (height x width of the LR image): ONNX Runtime, fp32")
    sizes = [*map(comparison.text_of, comparison.CASES)]
    rows = [re.fullmatch(r"(\S+(?:, batch 2)?) +(\S+) +(\S+)", line) for line in lines[2 : 2 + len(sizes)]]
    assert [row[1] for row in rows] == sizes
    assert all(float(row[2]) < 1e-5 and float(row[3]) > 100 for row in rows)
    said = dict(line.split(None, 1) for line in lines if re.match(r"[a-z]+ {2}", line))
    assert said["upscale"] == "4"
    assert said["opset"] == "17"
    assert said["sizes"] == "any from 1x1"
    assert re.fullmatch(r"net\.pth, params, sha256 [0-9a-f]{12}", said["weights"])
    assert re.search(r"^written to    x4\.onnx \([\d.]+ kB\)$", out, re.MULTILINE)
    assert [line for line in lines if line.startswith("Latency")] == [
        f"Latency, LR {size} (height x width), batch 1; the exported file is fp32" for size in ("8x12", "16x16")
    ]
    assert out.count("ONNX Runtime ") == 2
    assert torch.get_num_threads() == 1
    run = opened((tmp_path / "x4.onnx").read_bytes(), 1)
    y = torch.rand(1, 3, 6, 21)
    torch.testing.assert_close(run(y), net(y), atol=1e-5, rtol=0)


def test_half_precision_and_one_size(export, tmp_path):
    (tmp_path / "x4.onnx").write_bytes(b"earlier")
    code, out, err = export("net.pth", "-o", "x4.onnx", "--fp16", "--static", "12x20", "--opset", "18", "--overwrite")
    assert code == 0, err
    assert "ONNX Runtime, fp16, against torch in float32" in out
    assert re.search(r"^12x20 +\d\.\de-0[45] +\d\d\.\d$", out, re.MULTILINE)
    assert "sr: (1, 3, 24, 40), not clamped, float32" in out  # of params_ema, x2
    assert (tmp_path / "x4.onnx").stat().st_size > 1000


def test_8_bit_by_photos(export, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.linear_gradient("L").resize((40, 30)).save(tmp_path / "photos/a.png")
    code, out, err = export("net.pth", "-o", "x4.onnx", "--int8", "--calibration", "photos", "--static", "16x24")
    assert code == 0, err
    assert "ONNX Runtime, int8, against torch in float32" in out
    assert re.search(r"^precision +int8$", out, re.MULTILINE)
    assert re.search(r"^opset +20$", out, re.MULTILINE)
    assert b"DequantizeLinear" in (tmp_path / "x4.onnx").read_bytes()


def test_what_is_not_the_network_is_not_written(export, tmp_path, monkeypatch):
    from ssiu_arch.tools.export import to_onnx

    monkeypatch.setattr(to_onnx, "reflect_to_multiple", lambda image, _: F.pad(image, [0, 12, 0, 4]))  # zeros
    (tmp_path / "x4.onnx").write_bytes(b"earlier")
    code, out, err = export("net.pth", "-o", "x4.onnx", "--static", "12x20", "--overwrite")
    assert code == 2
    assert out.startswith("Export parity by size")
    assert re.search(r"-o x4\.onnx: not written: at 12x20 .* more than 1\.0e-04", err)
    assert (tmp_path / "x4.onnx").read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.pth", "x4.onnx"]


def without_memory(*_):
    raise MemoryError


def test_an_image_that_memory_does_not_suffice_for(export, tmp_path, monkeypatch):
    from ssiu_arch.tools.export import comparison, to_onnx

    written = {}

    def once(net, real=to_onnx.to_onnx, **options):
        return written.setdefault("model", written.get("model") or real(net, **options))

    monkeypatch.setattr(to_onnx, "to_onnx", once)
    arguments = ["net.pth", "-o", "x4.onnx", "--static", "8x8", "--latency", "8x8"]
    with monkeypatch.context() as patch:
        patch.setattr(comparison, "difference", without_memory)
        code, _, err = export(*arguments)
    assert code == 2
    assert re.search(r"out of memory: .*smaller sizes", err)
    assert not (tmp_path / "x4.onnx").exists()
    monkeypatch.setattr(comparison, "latencies", without_memory)
    code, _, err = export(*arguments)
    assert code == 2
    assert re.search(r"out of memory: .*smaller sizes", err)
    assert (tmp_path / "x4.onnx").exists()


OUT = ["-o", "x4.onnx"]
BAD = {
    "no weights named": (OUT, r"WEIGHTS.*--help"),
    "no output named": (["net.pth"], r"-o/--output"),
    "weights that are not there": (["none.pth", *OUT], r"none\.pth: no such file"),
    "weights of another network": (["other.pth", *OUT], r"other\.pth: .*SSIU"),
    "weights that the file lacks": (["net.pth", *OUT, "--key", "ema"], r"'ema'.*params, params_ema"),
    "another kind of file": (["net.pth", "-o", "x4.pth"], r"-o x4\.pth: .*\.onnx"),
    "a name too long": (["net.pth", "-o", f"{'n' * 300}.onnx"], r"n+\.onnx: .*File name too long"),
    "no folder": (["net.pth", "-o", "nowhere/x4.onnx"], r"-o nowhere/x4\.onnx: .*folder nowhere"),
    "a file that is there": (["net.pth", "-o", "old.onnx"], r"-o old\.onnx: .*--overwrite"),
    "the weights themselves": (["w.onnx", "-o", "./w.onnx", "--overwrite"], r"-o w\.onnx: .*another name"),
    "an opset too old": (["net.pth", *OUT, "--opset", "16"], r"--opset: '16' .*17 to 23"),
    "an opset too new": (["net.pth", *OUT, "--opset", "24"], r"--opset: '24' .*17 to 23"),
    "an empty image": (["net.pth", *OUT, "--latency", "0x5"], r"--latency: '0x5'"),
    "one side": (["net.pth", *OUT, "--static", "80"], r"--static: '80'"),
    "a time that a static file cannot have": (
        ["net.pth", *OUT, "--static", "16x16", "--latency", "16x16", "8x8"],
        r"--latency 8x8: .*16x16",
    ),
    "8 bit without photos": (["net.pth", *OUT, "--int8"], r"--int8 and --calibration FOLDER"),
    "photos without 8 bit": (["net.pth", *OUT, "--calibration", "."], r"--int8 and --calibration FOLDER"),
    "two precisions": (["net.pth", *OUT, "--int8", "--fp16"], r"--fp16: not allowed with argument --int8"),
    "a folder without photos": (["net.pth", *OUT, "--int8", "--calibration", "."], r"--calibration \.: holds no image"),
    "no runs": (["net.pth", *OUT, "--runs", "0"], r"--runs: '0'"),
    "no threads": (["net.pth", *OUT, "--threads", "0"], r"--threads: '0'"),
    "half an option": (["net.pth", *OUT, "--over"], r"--over; .*--help"),
}


@pytest.mark.parametrize(("arguments", "line"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_before_anything_is_computed(export, tmp_path, monkeypatch, arguments, line):
    monkeypatch.setattr(torch.onnx, "export", None)
    (tmp_path / "old.onnx").write_bytes(b"earlier")
    (tmp_path / "w.onnx").write_bytes((tmp_path / "net.pth").read_bytes())
    torch.save({"params": {"weight": torch.zeros(1)}}, tmp_path / "other.pth")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    code, out, err = export(*arguments)
    assert (code, out) == (2, ""), err
    assert re.fullmatch(rf"ssiu export: .*{line}.*\n", err), err
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_shipped_names_the_weights_of_the_package(export, monkeypatch):
    given = []
    monkeypatch.setattr("ssiu_arch.cli.export._export", lambda net, args: given.extend((net.upscale, args.weights)))
    assert export("shipped", "-o", "x4.onnx") == (0, "", "")
    assert given == [4, shipped(4)]


@pytest.mark.parametrize("missing", PACKAGES)
def test_a_missing_extra_is_named(export, monkeypatch, missing):
    monkeypatch.setattr("ssiu_arch.utils.extras.find_spec", lambda name: None if name == missing else True)
    code, _, err = export("net.pth", "-o", "x4.onnx")
    assert code == 2
    assert missing in err
    assert "pip install 'ssiu-arch[export]'" in err


def test_a_torch_that_is_too_old(export, monkeypatch):
    monkeypatch.setattr(torch, "__version__", type(torch.__version__)("2.8.1"))
    code, _, err = export("net.pth", "-o", "x4.onnx")
    assert code == 2
    assert all(version in err for version in ("2.9", "2.8.1"))


def test_export_imports_neither_basicsr_nor_opencv(python, net, tmp_path):
    """It serves without them, as they need not be installed where a network is only exported."""
    torch.save({"params": net.state_dict()}, tmp_path / "net.pth")
    script = """
import sys
for name in ("basicsr", "cv2", "torchvision"):
    sys.modules[name] = None  # an import of it raises
from ssiu_arch.cli.main import ssiu
import ssiu_arch.tools.export.comparison, ssiu_arch.tools.export.to_onnx
print(ssiu(["export", "net.pth", "-o", "nowhere/x4.onnx"]), ssiu_arch.load("net.pth").upscale)
"""
    done = python("-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "4"]
    assert "nowhere" in done.stderr
