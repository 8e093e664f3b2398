"""What files hold: every container that torch has written, safetensors, and what is refused."""

import io
import os
import pickle
import tarfile
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import read_checkpoint, read_state_dict
from ssiu_arch.weights.reading import is_safetensors, shown

TINY = {"upscale": 2, "num_feat": 8, "num_block": 3}


def test_read_state_dict_follows_basicsr(tmp_path):
    file = tmp_path / "w.pth"
    torch.save({"params": {"module.a": torch.ones(1)}, "other": {"_orig_mod.b": torch.ones(1)}}, file)
    assert list(read_state_dict(file, "params")) == ["a"]
    assert list(read_state_dict(file, "params_ema")) == ["a"]  # params stands in
    assert list(read_state_dict(file, "other")) == ["b"]


@pytest.mark.parametrize("key", ["params", "params_ema", None])
@pytest.mark.parametrize("within", [(), ("model",), ("ema", "net")])
def test_the_only_weights_stand_in_for_a_missing_key_and_a_line_says_so(tmp_path, caplog, key, within):
    caplog.set_level("INFO", "basicsr")
    held = {"module._orig_mod.a": torch.ones(1)}
    for name in reversed(within):
        held = {name: held, "epoch": 3}
    torch.save(held, tmp_path / "w.pth")
    assert list(read_state_dict(tmp_path / "w.pth", key)) == ["a"]
    said = ".".join(within) or "the tensors at the root"
    assert [said in line for line in caplog.messages] == ([] if key is None and not within else [True])


@pytest.mark.parametrize(("times", "does"), [(25, True), (300, False)])
def test_parameters_may_share_values_but_not_without_bound(tmp_path, times, does):
    value = torch.ones(10**4)
    torch.save({"params": {f"a{n}": value for n in range(times)}}, tmp_path / "w.pth")
    if does:
        assert len(read_state_dict(tmp_path / "w.pth", "params")) == times
    else:
        with pytest.raises(UserError, match="more than the file holds"):
            read_state_dict(tmp_path / "w.pth", "params")


def test_a_name_with_and_without_its_prefix_is_refused(tmp_path):
    torch.save({"params": {"a": torch.ones(1), "module.a": torch.zeros(1)}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="1 parameters appear twice"):
        read_state_dict(tmp_path / "w.pth", "params")


def test_two_sets_do_not_stand_in(tmp_path):
    torch.save({"best": {"a": torch.ones(1)}, "last": {"a": torch.ones(1)}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="best, last"):
        read_state_dict(tmp_path / "w.pth", "params")


def test_read_state_dict_refuses_what_basicsr_cannot_load(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"safetensors.*ssiu convert .*w.pth$"):
        read_state_dict(tmp_path / "w.safetensors", None)
    torch.save({"params": {"a": 1}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="params: a is a int, not a tensor"):
        read_state_dict(tmp_path / "w.pth", "params")
    torch.save({"a": torch.ones(1), "epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="epoch is a int, not a tensor"):
        read_state_dict(tmp_path / "w.pth", None)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w"])
def test_safetensors_are_known_by_suffix_or_content(tmp_path, name):
    save_file({"a": torch.arange(3.0)}, tmp_path / name)
    assert is_safetensors(tmp_path / name)
    assert read_checkpoint(tmp_path / name)["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w"])
def test_files_of_torch_are_known_whatever_their_suffix_and_age(tmp_path, zipped, name):
    torch.save({"a": torch.arange(3.0)}, tmp_path / name, _use_new_zipfile_serialization=zipped)
    assert zipfile.is_zipfile(tmp_path / name) == zipped
    assert not is_safetensors(tmp_path / name)
    assert read_checkpoint(tmp_path / name)["a"].tolist() == [0, 1, 2]


class Call:
    """Pickled, it asks for a call."""

    def __init__(self, function, *arguments):
        self.asked = function, arguments

    def __reduce__(self):
        return self.asked


def as_zip(value, path):
    torch.save(value, path)


def as_old(value, path):
    torch.save(value, path, _use_new_zipfile_serialization=False)


def as_pickle(value, path):
    path.write_bytes(pickle.dumps(value, protocol=2))


@pytest.mark.parametrize("save", [as_zip, as_old, as_pickle])
@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (lambda made: Call(os.system, f"touch {made}"), f"asks for {os.name}.system"),
        (lambda made: Call(open, made, "w"), "asks for _?io.open|asks for open"),
        (lambda made: Call(exec, f"open({made!r}, 'w')"), r"asks for (builtins\.)?exec"),
        (lambda made: torch.nn.Linear(1, 1), "asks for torch.nn.modules.linear.Linear"),
        (lambda made: Call(bytearray, 99), "asks for bytearray"),  # or 10**10
    ],
)
def test_code_is_refused_by_its_name_and_not_run(tmp_path, save, call, asked):
    made = tmp_path / "made"
    save({"code": call(str(made)), "params": {"a": torch.ones(1)}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=asked) as refused:
        read_checkpoint(tmp_path / "w.pth")
    assert "\n" not in str(refused.value)
    assert not made.exists()


def test_code_is_run_by_what_checks_nothing(tmp_path):
    """So the file above would be made."""
    as_pickle({"code": Call(open, str(tmp_path / "made"), "w")}, tmp_path / "w.pth")
    pickle.loads((tmp_path / "w.pth").read_bytes())["code"].close()
    assert (tmp_path / "made").exists()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_program_of_torchscript_is_refused(tmp_path, recwarn):
    torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1)).save(tmp_path / "w.pt")
    recwarn.clear()
    with pytest.raises(UserError, match="asks for TorchScript"):
        read_checkpoint(tmp_path / "w.pt")
    assert not recwarn.list


@pytest.mark.parametrize("word", ["Weights only", "weights_only", "In PyTorch 2.6", "file an issue"])
@pytest.mark.parametrize("content", [b"no weights at all", b"\x80\x02}q\x00X\x01", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_file_gives_the_reason_and_not_torchs_advice(tmp_path, content, word):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"damaged, .* \(.{3,90}\)$") as refused:
        read_checkpoint(tmp_path / "w.pth")
    assert word not in str(refused.value)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_whole_file_is_not_called_damaged_where_memory_is_short(tmp_path, monkeypatch, error):
    def load(*arguments, **options):
        raise error

    torch.save({"a": torch.zeros(3)}, tmp_path / "a.pth")
    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(UserError, match=r"a\.pth: does not fit in the free memory$"):
        read_checkpoint(tmp_path / "a.pth")


def test_the_oldest_files_of_torch_are_refused(tmp_path):
    with tarfile.open(tmp_path / "w.pth", "w") as tar:
        for name in ("storages", "tensors", "pickle"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(UserError, match="damaged, or not"):
        read_checkpoint(tmp_path / "w.pth")


def test_names_are_shown_in_one_line_without_control_characters():
    assert shown("head.weight") == "head.weight"
    assert shown("\x1b[2Jhead\nweight") == r"'\x1b[2Jhead\nweight'"
    assert len(shown("x" * 1000)) == 80


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3311505\n", "git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html><body>x4.pth</body></html>", "web page"),
    ],
)
def test_what_was_downloaded_instead_of_weights_is_named(tmp_path, content, said):
    (tmp_path / "x4.pth").write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_checkpoint(tmp_path / "x4.pth")
