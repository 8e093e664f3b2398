"""What files hold: every container that torch has written, safetensors, and what is refused."""

import io
import os
import pickle
import random
import tarfile
import zipfile

import pytest
import torch
from safetensors.torch import save_file

import ssiu_arch
from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import read_checkpoint, read_state_dict, ssiu_options
from ssiu_arch.weights.info import describe
from ssiu_arch.weights.reading import is_safetensors, shown
from ssiu_arch.weights.ssiu import Weights
from ssiu_arch.weights.writing import FORMATS, as_bytes

TINY = {"upscale": 2, "num_feat": 8, "num_block": 3}


def test_read_state_dict_follows_basicsr(tmp_path):
    file = tmp_path / "w.pth"
    torch.save({"params": {"module.a": torch.ones(1)}, "other": {"b": torch.ones(1)}}, file)
    assert list(read_state_dict(file, "params")) == ["a"]
    assert list(read_state_dict(file, "params_ema")) == ["a"]  # params stands in
    assert list(read_state_dict(file, "other")) == ["b"]


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
        (lambda made: Call(open, made, "w"), "asks for io.open|asks for open"),
        (lambda made: Call(exec, f"open({made!r}, 'w')"), r"asks for (builtins\.)?exec"),
        (lambda made: torch.nn.Linear(1, 1), "asks for torch.nn.modules.linear.Linear"),
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
    with pytest.raises(UserError, match=r"TorchScript.*weights_only=False"):
        read_checkpoint(tmp_path / "w.pt")
    assert not recwarn.list


@pytest.mark.parametrize("word", ["Weights only", "weights_only", "In PyTorch 2.6", "file an issue"])
@pytest.mark.parametrize("content", [b"no weights at all", b"\x80\x02}q\x00X\x01", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_file_gives_the_reason_and_not_torchs_advice(tmp_path, content, word):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"damaged, .* \(.{3,90}\)$") as refused:
        read_checkpoint(tmp_path / "w.pth")
    assert word not in str(refused.value)


def test_the_oldest_files_of_torch_are_refused_without_its_advice(tmp_path):
    with tarfile.open(tmp_path / "w.pth", "w") as tar:
        for name in ("storages", "tensors", "pickle"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(UserError, match=r"\(Cannot use .* with files saved in the legacy .tar format\.\)$"):
        read_checkpoint(tmp_path / "w.pth")


def test_names_are_shown_in_one_line_without_control_characters():
    assert shown("head.weight") == "head.weight"
    assert shown("\x1b[2Jhead\nweight") == r"'\x1b[2Jhead\nweight'"
    assert len(shown("x" * 1000)) == 80


def refusal(ask, path):
    """The line by which a file is refused; empty if it is not."""
    try:
        ask(path)
    except UserError as error:
        return str(error)
    return ""


class TestDamage:
    """A damaged file gives a network or one line, and ``--info`` its facts or one line."""

    @pytest.fixture
    def weights(self, sine_weights):
        return sine_weights(SSIU(**TINY)).state_dict()

    @pytest.fixture
    def whole(self, weights):
        old = io.BytesIO()
        torch.save({"params": weights}, old, _use_new_zipfile_serialization=False)
        found = Weights(weights, ssiu_options(weights), "params")
        return {**{suffix: as_bytes(found, suffix) for suffix in FORMATS}, ".old": old.getvalue()}

    def answer(self, path):
        """What ``load`` and ``--info`` make of a file: how the lines begin that refuse it."""
        lines = [refusal(ssiu_arch.load, path), refusal(lambda path: describe(path, None), path)]
        start = f"weights {path}: "
        assert all(line.isprintable() and line.startswith(start if line else "") for line in lines)
        return tuple(line.removeprefix(start)[:40] for line in lines)

    @pytest.mark.parametrize("kind", [*FORMATS, ".old"])
    def test_of_bytes(self, tmp_path, whole, kind):
        chance, answers, path = random.Random(kind), set(), tmp_path / f"w{kind}"
        for turn in range(24):
            data = bytearray(whole[kind])
            place = chance.choice([chance.randrange(len(data)), chance.randrange(3000), -1 - chance.randrange(3000)])
            count = chance.choice([1, 1, 8, 64])
            if turn % 8 == 7:
                del data[place:]
            else:
                data[place : place + count if place + count else None] = chance.randbytes(count)
            path.write_bytes(data)
            answers.add(self.answer(path))
        assert any(answer == ("", "") for answer in answers)
        assert any("damaged" in answer[0] for answer in answers)

    def test_of_entries(self, tmp_path, weights):
        chance, answers, path = random.Random(0), set(), tmp_path / "w.pth"
        values = [
            None, 5, "x", [], {}, (1,), torch.ones(()), torch.ones(0), torch.ones(1, 1, 1, 1), torch.ones(2).int(),
            torch.ones(3, dtype=torch.complex64), torch.ones(1).expand(9, 9, 9, 9), torch.ones(3).to_sparse(),
            torch.ones(2, device="meta"), torch.ones(2).to(torch.float8_e5m2), {"a": torch.ones(1)}, {1: 2},
            torch.nn.Parameter(torch.ones(16)),
        ]  # fmt: skip
        names = [
            "head.weight", "tail.0.weight", "stages.0.attention.rel_h", "stages.99999999999.x", "", 3, None, ("a",),
            "tail.6.weight", "selector.fuse.weight", "stages.7.norm.weight", "module.head.bias", "\x1b\n", "\udcff",
        ]  # fmt: skip
        for _ in range(40):
            changed = dict(weights)
            held = {"params": changed, "epoch": 3}
            target = chance.choice([changed, changed, held])
            name = chance.choice(names) if chance.random() < 0.7 else chance.choice(list(target))
            target.pop(name, None)
            if chance.random() < 0.9:
                target[name] = chance.choice(values)
            if chance.random() < 0.2:
                held["params_ema"] = chance.choice([*values, changed])
            if chance.random() < 0.2:
                held["iter"] = held["optimizers"] = held["schedulers"] = chance.choice(values)
            torch.save(chance.choice([held, held, changed]), path)
            answers.add(self.answer(path))
        assert len(answers) > 8
