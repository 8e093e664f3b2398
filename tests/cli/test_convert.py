"""``ssiu convert``: from files to files, what it says, and bad input."""

import hashlib
import io
import os
import re

import pytest
import torch
from safetensors.torch import save_file

import ssiu_arch
from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.utils import extras
from ssiu_arch.weights import read_ssiu
from ssiu_arch.weights.writing import FORMATS, as_bytes

TINY = {"upscale": 2, "num_feat": 16, "num_block": 3}


@pytest.fixture
def weights(sine_weights):
    return sine_weights(SSIU(**TINY)).state_dict()


@pytest.fixture
def files(tmp_path, monkeypatch, weights):
    """A small SSIU in every format, in the current folder: x2.pt, x2.pth, x2.safetensors."""
    monkeypatch.chdir(tmp_path)
    for suffix in FORMATS:
        (tmp_path / f"x2{suffix}").write_bytes(as_bytes(weights, suffix))
    return tmp_path


def facts(said):
    """What ``--info`` said of one file, by name."""
    lines = re.sub(r"\n {14}", " ", said).splitlines()
    return {line[:14].strip(): line[14:] for line in lines if line}


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_any_format_into_any(files, ssiu, weights, source, target):
    code, out, err = ssiu("convert", f"x2{source}", "-o", f"new{target}")
    assert (code, err) == (0, "")
    key = {".pt": "model_state_dict", ".pth": "params_ema", ".safetensors": "the tensors at the root"}[source]
    size = (files / f"new{target}").stat().st_size
    assert out.splitlines()[:2] == [
        f"read          x2{source}: SSIU, x2, {key}",
        f"written to    new{target} ({size / 1000:.3g} kB)",
    ]
    loaded = ssiu_arch.load(files / f"new{target}").state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())
    assert sorted(path.name for path in files.iterdir()) == sorted([f"new{target}", *(f"x2{s}" for s in FORMATS)])


def test_the_suffix_of_the_source_does_not_count(files, ssiu):
    (files / "x2.pt").rename(files / "released.pth")
    (files / "x2.safetensors").rename(files / "safe")
    for source in ("released.pth", "safe"):
        assert ssiu("convert", source, "-o", f"{source}.OUT.PTH")[0] == 0
        assert (files / f"{source}.OUT.PTH").read_bytes() == (files / "x2.pth").read_bytes()


def test_two_sets_that_differ(files, ssiu, weights, caplog):
    averaged = {name: value + 1 for name, value in weights.items()}
    torch.save({"params": weights, "params_ema": averaged}, "both.pth")
    with caplog.at_level("WARNING", "basicsr"):
        assert ssiu("convert", "both.pth", "-o", "new.pt")[0] == 0
        assert not caplog.messages  # EMA before the others is the rule
        torch.save({"params": weights, "net": averaged}, "unclear.pth")
        assert ssiu("convert", "unclear.pth", "-o", "other.pt")[0] == 0
    assert re.fullmatch(r"weights unclear.pth: uses params; net differs, .*", caplog.messages[0])
    caplog.clear()
    assert torch.equal(ssiu_arch.load("new.pt").head.bias, averaged["head.bias"])
    assert ssiu("convert", "both.pth", "-o", "new.pt", "--key", "params", "--overwrite")[0] == 0
    assert not caplog.messages
    assert torch.equal(ssiu_arch.load("new.pt").head.bias, weights["head.bias"])
    assert facts(ssiu("convert", "--info", "both.pth")[1])["taken"] == "params_ema; params differs"
    assert facts(ssiu("convert", "--info", "both.pth", "--key", "params")[1])["taken"] == "params; params_ema differs"


def test_half(files, ssiu, weights):
    assert ssiu("convert", "x2.pth", "-o", "half.safetensors", "--half")[::2] == (0, "")
    assert facts(ssiu("convert", "--info", "half.safetensors")[1])["parameters"].endswith(", float16")
    assert ssiu_arch.load("half.safetensors").head.bias.dtype == torch.float32


def test_values_that_are_not_finite_are_kept_and_told(files, ssiu, weights):
    weights["head.bias"][:2] = torch.tensor([float("nan"), float("inf")])
    torch.save({"params": weights}, "nan.pth")
    code, _, err = ssiu("convert", "nan.pth", "-o", "new.pt")
    assert code == 0
    assert re.fullmatch("ssiu convert: nan.pth: 2 NaN or infinite, in head.bias.*\n", err)
    assert read_ssiu("new.pt")[0]["head.bias"][0].isnan()
    assert facts(ssiu("convert", "--info", "nan.pth")[1])["values"] == "2 NaN or infinite, in head.bias"


class TestInfo:
    def test_of_an_ssiu(self, files, ssiu, weights):
        code, out, err = ssiu("convert", "--info", "x2.pth")
        assert (code, err) == (0, "")
        told = facts(out)
        size = (files / "x2.pth").stat().st_size
        digests = {name: told.pop(name)[:12] for name in ("sha256", "weights")}
        assert told == {
            "file": "x2.pth",
            "size": f"{size / 1000:.3g} kB ({size:,} bytes)",
            "holds": f"params ({len(weights)} tensors), params_ema ({len(weights)} tensors)",
            "network": "SSIU: upscale 2, num_in_ch 3, num_feat 16, num_block 3, num_head 4, "
            "sparse_attention True, feature_selector True",
            "parameters": f"{sum(v.numel() for v in weights.values()):,} in {len(weights)} tensors, float32",
            "values": "finite",
            "taken": "params_ema; params is the same",
        }
        assert all(re.fullmatch(r"[0-9a-f]{12}", digest) for digest in digests.values())

    def test_the_hash_of_the_file_is_that_of_sha256sum(self, files, ssiu):
        told = facts(ssiu("convert", "--info", "x2.pt")[1])["sha256"]
        assert told.startswith(hashlib.sha256((files / "x2.pt").read_bytes()).hexdigest()[:12])

    def test_the_hash_of_the_weights_is_one_in_all_formats_and_of_these_values_alone(self, files, ssiu, weights):
        def told(*names):
            return {facts(ssiu("convert", "--info", name)[1])["weights"] for name in names}

        same = told(*(f"x2{suffix}" for suffix in FORMATS))
        assert len(same) == 1
        said = ssiu("convert", "x2.pt", "-o", "new.pth")[1]
        assert same == {f"{facts(said)['weights']} (hash of names and values, the same in every format)"}
        weights["head.bias"][0] = -weights["head.bias"][0]
        torch.save(weights, "other.pth")
        ssiu("convert", "x2.pt", "-o", "half.pth", "--half")
        assert len(same | told("other.pth", "half.pth")) == 3

    def test_of_variants(self, files, ssiu):
        torch.save(SSIU(**TINY, sparse_attention=False).state_dict(), "variant.pth")
        told = facts(ssiu("convert", "--info", "variant.pth")[1])
        assert "sparse_attention False" in told["network"]
        assert told["taken"] == "the tensors at the root"

    def test_of_the_packages_own_weights(self, ssiu):
        told = facts(ssiu("convert", "--info", "shipped")[1])
        assert told["network"].startswith("SSIU: upscale 4, ")
        assert told["file"].endswith("SSIU_x4.pth")

    def test_of_what_the_authors_released(self, golden, ssiu):
        told = facts(ssiu("convert", "--info", golden / "released_format_x3.pt")[1])
        assert re.match("SSIU: upscale 3, .* num_block 9, ", told["network"])
        assert told["parameters"] == "798,627 in 437 tensors, float32"
        assert told["holds"].startswith("epoch, model_state_dict (437 tensors), optimizer_state_dict, ")

    def test_of_another_network(self, files, ssiu):
        from basicsr.archs.srresnet_arch import MSRResNet

        net = MSRResNet(num_feat=8, num_block=1)
        torch.save({"params": net.state_dict(), "iter": 5}, "other.pth")
        code, out, _ = ssiu("convert", "--info", "other.pth")
        told = facts(out)
        assert code == 0
        assert re.match("unknown: .*SSIU.* conv_first.weight, ", told["network"])
        assert told["holds"] == f"params ({len(net.state_dict())} tensors), iter"
        assert told["parameters"].startswith(f"{sum(p.numel() for p in net.parameters()):,} in ")
        assert re.match("[0-9a-f]{12} ", told["weights"])
        save_file(net.state_dict(), "other.safetensors")
        assert facts(ssiu("convert", "--info", "other.safetensors")[1])["weights"] == told["weights"]

    def test_of_an_ssiu_with_a_part_missing(self, files, ssiu, weights):
        weights.pop("head.bias")
        torch.save(weights, "part.pth")
        told = facts(ssiu("convert", "--info", "part.pth")[1])
        assert told["network"].endswith("1 parameters missing (head.bias)")

    def test_of_a_training_state(self, files, ssiu):
        from ssiu_arch.patches.training.training_state import random_state

        net = SSIU(**TINY)
        optimizer = torch.optim.AdamW(net.parameters())
        sum(parameter.sum() for parameter in net.parameters()).backward()
        optimizer.step()
        state = {"epoch": 3, "iter": 400, "optimizers": [optimizer.state_dict()], "schedulers": []}
        torch.save({**state, "random": random_state()}, "400.state")
        told = facts(ssiu("convert", "--info", "400.state")[1])
        assert told["holds"] == "epoch, iter, optimizers, schedulers, random"
        assert "training state" in told["weights"]
        assert told["weights"].endswith("models/net_g_400.pth")

    def test_of_values_of_many_types(self, files, ssiu):
        torch.save(
            {"a": torch.tensor([1.5]).half(), "b": torch.ones(2).int(), "c": torch.ones(()), "d": torch.ones(0)},
            "t.pth",
        )
        told = facts(ssiu("convert", "--info", "t.pth")[1])
        assert told["parameters"] == "4 in 4 tensors, float16, float32, int32"
        assert told["values"] == "finite"

    def test_of_several_files_with_bad_ones_among_them(self, files, ssiu):
        (files / "text.pth").write_text("no weights")
        code, out, err = ssiu("convert", "--info", "x2.pt", "none.pth", "text.pth", "x2.pth")
        assert code == 2
        assert re.findall("^file .*", out, re.M) == ["file          x2.pt", "file          x2.pth"]
        first, second = err.splitlines()
        assert first == "ssiu convert: weights none.pth: no such file"
        assert second.startswith("ssiu convert: weights text.pth: damaged, or not a torch.save file (")

    def test_names_out_of_a_file_do_not_reach_the_terminal_as_they_are(self, files, ssiu):
        torch.save({"\x1b[2J": {"\x1b]0;a\x07": torch.ones(1)}, "params": {"\x1b[2Jb\n": torch.ones(1)}}, "esc.pth")
        code, out, _ = ssiu("convert", "--info", "esc.pth")
        assert code == 0
        assert r"\x1b[2J" in out
        assert "\x1b" not in out
        _, _, err = ssiu("convert", "esc.pth", "-o", "new.pth")
        assert "\x1b" not in err


class Call:
    def __reduce__(self):
        return os.system, ("touch made",)


@pytest.fixture
def bad(files, weights):
    """Files with which something is wrong."""
    (files / "folder").mkdir()
    (files / "empty.pth").touch()
    (files / "text.pth").write_text("weights of a network")
    (files / "cut.pth").write_bytes((files / "x2.pth").read_bytes()[:-3000])
    (files / "hole.safetensors").write_bytes((files / "x2.safetensors").read_bytes()[:5000])
    (files / "long.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{" + bytes(100))
    torch.save({"params": weights, "more": Call()}, "code.pth")
    torch.save(torch.ones(3), "tensor.pth")
    torch.save([weights], "list.pth")
    torch.save({}, "nothing.pth")
    torch.save({"params": {}}, "no_params.pth")
    torch.save({"params": {"conv_first.weight": torch.ones(1)}}, "other.pth")
    torch.save({k: v for k, v in weights.items() if "stages.1" not in k}, "stage.pth")
    torch.save({**weights, "head.bias": torch.ones(3)}, "shape.pth")
    torch.save({**weights, "head.bias": torch.full((16,), 1e6)}, "large.pth")
    torch.save({"params": {**weights, "head.bias": 3}}, "number.pth")
    torch.save({"epoch": 1, "iter": 2, "optimizers": [], "schedulers": []}, "2.state")
    (files / "there.pth").write_bytes(b"what was there")
    (files / "link.pth").symlink_to("x2.pth")
    return files


NEW = ["-o", "new.pth"]
BAD = {
    "no file": ([], r"the following arguments are required: FILE"),
    "no output": (["x2.pt"], r"-o is missing: .*--info"),
    "two files": (["x2.pt", "x2.pth", *NEW], r"x2.pth: .*one file at a time.*--info"),
    "no such option": (["x2.pt", *NEW, "--ema"], r"unrecognized arguments: --ema"),
    "no such file": (["none.pt", *NEW], r"weights none.pt: no such file"),
    "no such file over a file": (["none.pt", "-o", "there.pth", "--overwrite"], r"weights none.pt: no such file"),
    "a name that is too long": (["x" * 300, *NEW], r"x: no such file"),
    "a folder": (["folder", *NEW], r"weights folder: is a folder; name a file"),
    "an empty file": (["empty.pth", *NEW], r"weights empty.pth: is empty"),
    "a text": (["text.pth", *NEW], r"weights text.pth: damaged, .*torch.save"),
    "a damaged file": (["cut.pth", *NEW], r"weights cut.pth: damaged, .*torch.save"),
    "a pickle with code": (["code.pth", *NEW], r"asks for \w+.system\).*tensors alone"),
    "a tensor": (["tensor.pth", *NEW], r"weights tensor.pth: holds a Tensor, not a dict of tensors"),
    "a list": (["list.pth", *NEW], r"weights list.pth: holds a list, not a dict of tensors"),
    "nothing": (["nothing.pth", *NEW], r"weights nothing.pth: is empty"),
    "nothing in params": (["no_params.pth", *NEW], r"weights no_params.pth: params: is empty"),
    "another network": (["other.pth", *NEW], r"weights other.pth: .*SSIU.* conv_first.weight"),
    "a training state": (["2.state", *NEW], r"weights 2.state: is a training state.*models/net_g_2.pth"),
    "a stage missing": (["stage.pth", *NEW], r"weights stage.pth: .*47 parameters missing \(stages.1.norm.weight, "),
    "a wrong shape": (["shape.pth", *NEW], r"weights shape.pth: .*head.bias is \(3,\) .*\(16,\)"),
    "a number": (["number.pth", *NEW], r"weights number.pth: params: head.bias is a int, not a tensor"),
    "no such key": (["x2.pth", *NEW, "--key", "best"], r"x2.pth: no 'best' in it; it holds params, params_ema"),
    "a key of no weights": (["x2.pt", *NEW, "--key", "epoch"], r"epoch: holds a int, not a dict of tensors"),
    "a damaged safetensors": (["hole.safetensors", *NEW], r"damaged, .*safetensors file"),
    "a header without end": (["long.safetensors", *NEW], r"damaged, .*safetensors file"),
    "values beyond float16": (
        ["large.pth", *NEW, "--half"],
        r"--half: head.bias holds 1e\+06.*65504.*leave",
    ),
    "no format": (["x2.pt", "-o", "x2.onnx"], r"-o x2.onnx: the name must end with .pt, .pth, .safetensors"),
    "no suffix": (["x2.pt", "-o", "new"], r"-o new: the name must end with"),
    "a folder for an output": (["x2.pt", "-o", "folder"], r"-o folder: is a folder; name a file"),
    "no folder": (["x2.pt", "-o", "nowhere/x2.pth"], r"-o nowhere/x2.pth: no such folder nowhere"),
    "a name that cannot be": (["x2.pt", "-o", "x" * 300 + ".pth"], r"x.pth: cannot be written \(File name too long\)"),
    "output is there": (["x2.pt", "-o", "there.pth"], r"-o there.pth: .*--overwrite"),
    "output is input": (["x2.pth", "-o", "./x2.pth", "--overwrite"], r"-o x2.pth: is another file"),
    "output is a link to it": (["x2.pth", "-o", "link.pth", "--overwrite"], r"-o link.pth: is another file"),
    "bad input over a file": (["cut.pth", "-o", "there.pth", "--overwrite"], r"weights cut.pth: damaged"),
    "info and an output": (["--info", "x2.pt", *NEW], r"-o: --info writes nothing; leave out one of the two"),
    "info and half": (["--info", "x2.pt", "--half"], r"--half: --info writes nothing"),
    "info and overwriting": (["--info", "x2.pt", "--overwrite"], r"--overwrite: --info writes nothing"),
    "info of no such key": (["--info", "x2.pth", "--key", "best"], r"weights x2.pth: no 'best' in it"),
    "info of code": (["--info", "code.pth"], r"weights code.pth: holds Python objects besides tensors"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_changes_nothing(bad, ssiu, arguments, message):
    before = {path.name: path.read_bytes() for path in bad.iterdir() if path.is_file()}
    code, out, err = ssiu("convert", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("ssiu convert: ")
    assert err.count("\n") == 1
    assert re.search(message, err)
    assert {path.name: path.read_bytes() for path in bad.iterdir() if path.is_file()} == before


def test_overwriting(bad, ssiu):
    assert ssiu("convert", "x2.pt", "-o", "there.pth", "--overwrite")[0] == 0
    assert (bad / "there.pth").read_bytes() == (bad / "x2.pth").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["x2.safetensors", "-o", "new.pth"], "weights x2.safetensors"),
        (["--info", "x2.safetensors"], "weights x2.safetensors"),
        (["x2.pth", "-o", "new.safetensors"], "-o new.safetensors"),
    ],
)
def test_without_safetensors_the_extra_is_named(files, ssiu, monkeypatch, arguments, what):
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    code, _, err = ssiu("convert", *arguments)
    assert code == 2
    missing = "needs safetensors, which is not installed: pip install 'ssiu-arch[safetensors]'"
    assert err == f"ssiu convert: {what} {missing}\n"
    assert ssiu("convert", "x2.pth", "-o", "new.pt")[0] == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read and write everywhere")
@pytest.mark.parametrize(
    ("name", "message"), [("x2.pt", "cannot be read"), ("folder", "folder/new.pth: cannot be written")]
)
def test_permissions(bad, ssiu, name, message):
    (bad / name).chmod(0)
    code, _, err = ssiu("convert", "x2.pt", "-o", "folder/new.pth")
    (bad / name).chmod(0o755)
    assert code == 2
    assert message in err


def test_a_file_whose_name_is_no_text(files, ssiu, monkeypatch):
    name = os.fsdecode(b"x\xff.pth")
    try:
        (files / "x2.pth").rename(files / name)
    except OSError:
        pytest.skip("this file system has names of Unicode alone")
    terminal = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", terminal)
        code, _, _ = ssiu("convert", "--info", name)
    assert code == 0
    assert terminal.buffer.getvalue().startswith(b"file          x\\udcff.pth\n")
