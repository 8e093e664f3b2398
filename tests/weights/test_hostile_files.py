"""Hundreds of damaged and hostile files, made from whole ones: each gives a network or one line, and none runs code."""

import builtins
import io
import json
import os
import pickle
import random
import struct
import warnings
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save

import ssiu_arch
from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights import read_state_dict
from ssiu_arch.weights.ssiu import describe

NAME, SHAPE = "head.bias", (8,)
READERS = {
    "load": ssiu_arch.load,
    "info": lambda path: describe(path, None),
    "basicsr": lambda path: read_state_dict(path, "params"),
}


@pytest.fixture(scope="module")
def weights(sine_weights):
    return dict(sine_weights(SSIU(2, num_feat=8, num_block=1, feature_selector=False)).state_dict())


def zipped(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def old(value):
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def whole_files(weights):
    """A file of every format, by suffix."""
    wrapped = {f"net_g.{name}": value for name, value in weights.items()}
    return {
        ".pth": zipped({"params": weights, "params_ema": weights}),
        ".pt": zipped({"epoch": 1, "model_state_dict": {f"module.{n}": value for n, value in weights.items()}}),
        ".ckpt": zipped({"epoch": 1, "hyper_parameters": {"lr": 1e-3}, "state_dict": wrapped}),
        ".old": old({"params": weights}),
        ".safetensors": save(weights),
    }


def damaged(whole):
    """Cut, flipped, shifted and stretched, at even and at random places."""
    chance = random.Random(len(whole))
    for tenth in range(10):
        yield f"cut {tenth}", whole[: len(whole) * tenth // 10]
    places = [len(whole) * n // 10 for n in range(10)] + [chance.randrange(3000) for _ in range(5)]
    for place in [*places, *(len(whole) - chance.randrange(1, 3000) for _ in range(5))]:
        for count in (1, 40):
            changed = bytearray(whole)
            for n in range(place, min(place + count, len(whole))):
                changed[n] ^= 1 + chance.randrange(255)
            yield f"{count} flipped at {place}", bytes(changed)
    yield "shifted", b"junk" + whole
    yield "stretched", whole + b"junk"
    yield "twice", whole + whole


class Call:
    """Pickled, it asks for a call."""

    def __init__(self, function, *arguments):
        self.asked = function, arguments

    def __reduce__(self):
        return self.asked


def shadowed(value):
    value.numel, value.detach, value.isfinite = 3, "x", 4
    return value


def nested(layout):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a prototype
        return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=layout)


def values():
    """What a parameter may be instead of eight floats: name, value and whether it does as well."""
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        yield str(dtype), torch.ones(SHAPE, dtype=dtype), True
    for name in ("bool", "int8", "uint16", "int64", "complex64", "float8_e4m3fn", "float8_e5m2"):
        yield name, torch.ones(SHAPE).to(getattr(torch, name)), False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated
        yield "quantised", torch.quantize_per_tensor(torch.ones(SHAPE), 0.1, 0, torch.qint8), False
    yield "parameter", torch.nn.Parameter(torch.ones(SHAPE)), True
    yield "shadowed parameter", shadowed(torch.nn.Parameter(torch.ones(SHAPE))), True
    yield "shadowed tensor", shadowed(torch.ones(SHAPE)), True
    yield "negated", torch._neg_view(torch.ones(SHAPE)), True
    yield "conjugated", torch.ones(SHAPE, dtype=torch.complex64).conj(), False
    yield "strided", torch.ones(16)[::2], True
    yield "nested", nested(torch.strided), False
    yield "jagged", nested(torch.jagged), False
    yield "sparse", torch.ones(SHAPE).to_sparse(), False
    yield "sparse rows", torch.eye(8).to_sparse_csr(), False
    yield "meta", torch.ones(SHAPE, device="meta"), False
    yield "expanded", torch.ones(1).expand(10**12), False
    yield "nothing", torch.ones(0), False
    yield "number", torch.ones(()), False
    yield "nan", torch.full(SHAPE, float("nan")), False
    yield "infinite", torch.full(SHAPE, float("-inf")), False
    yield "beyond float32", torch.full(SHAPE, 1e300, dtype=torch.float64), False
    storage = torch.ones(1).storage()
    for size, offset, stride in ((10**15, 0, 1), (8, -1, 1), (8, 10**15, 1), (8, 0, -1), (-8, 0, 1), (8, 0, 10**15)):
        rebuilt = Call(torch._utils._rebuild_tensor_v2, storage, offset, (size,), (stride,), False, OrderedDict())
        yield f"claims {size} {offset} {stride}", rebuilt, False
    for number, other in enumerate([None, 5, 0.5, "x", [], {}, (), {1: 2}, {"a": torch.ones(1)}, set(), Counter("a")]):
        yield f"object {number}", other, False


NAMES = ["", "extra", 7, None, ("a",), 1.5, b"a", "\x1b[2J\n", "\udcff", "stages.99999999.x", "module.head.bias"]
EMPTY = [[], (), None, 3, "text", torch.ones(3), {}, {"params": {}}, {"params": []}, {"params": {"params": {}}}, set()]


def changed_entries(weights):
    """Files whose pickle is in order and whose contents are not: name, content, and whether they do as well."""
    for what, value, does in values():
        changed = {**weights, NAME: value}
        yield f"{what} in params", {"params": changed}, does
        yield f"{what} at the root", changed, does
        yield f"{what} more", {"model": {**weights, "more": value}}, False
        yield f"{what} beside", {"params": weights, "more": value}, not what.startswith("claims")
    for name in NAMES:
        yield f"named {name!r}", {"state_dict": {**weights, name: torch.ones(3)}}, False
        yield f"set named {name!r}", {name: weights}, name is not None
    for number, held in enumerate(
        [*EMPTY, [weights], (weights,), SSIU(2, num_feat=8, num_block=1, feature_selector=False)]
    ):
        yield f"held {number}", held, False
    yield "sets within a set", {"model": {"params_ema": weights, "params": weights}}, True
    yield "sets within sets within a set", {"model": {"params_ema": {"params": weights}}}, False
    for name in ("head.weight", "tail.0.weight", "stages.0.attention.rel_h", "stages.0.norm.weight"):
        yield f"without {name}", {"params": {n: value for n, value in weights.items() if n != name}}, False
        for shape in ((), (0,), (1,), (8, 8, 8, 8), (10**4, 3, 3, 3), (1, 1, 1, 0)):
            yield f"{name} {shape}", {"params": {**weights, name: torch.ones(shape)}}, False


def programs(canary):
    """Pickles that ask for more than tensors: name and object."""
    make = f"open({canary!r}, 'w').close()"
    for function, *arguments in (
        (os.system, f"touch {canary}"), (os.mkdir, canary), (os.mkfifo, canary), (eval, make), (exec, make),
        (open, canary, "w"), (builtins.__import__, "this"), (getattr, {}, "pop"), (map, exec, [make]),
        (torch.load, canary), (torch.save, {}, canary), (torch.hub.load, canary, "x"), (torch.jit.load, canary),
        (torch.serialization.add_safe_globals, [exec]), (torch.set_num_threads, 7), (pickle.loads, b"."),
        (bytearray, 10**13), (torch.FloatTensor, 10**15), (zipfile.ZipFile, canary, "w"), (Path, canary),
    ):  # fmt: skip
        yield function.__name__, Call(function, *arguments)
    yield "module", torch.nn.Linear(1, 1)
    yield "function", os.system
    yield "device", torch.device("cuda", 77)
    yield "shadowed dict", Call(OrderedDict)


def expanding():
    """Pickles that no ``pickle.dumps`` writes, as the key of a dict, as its value and as whole: name and bytes."""
    same = b"r" + struct.pack("<I", 0)  # to memo 0
    again = b"j" + struct.pack("<I", 0)
    nested = {
        "deep lists": b"]" * 10**4 + b"a" * (10**4 - 1),
        "deep tuples": b"(" * 10**5 + b"t" * 10**5,
        "deeper tuples": b")" + b"\x85" * 10**6,
        "twofold": b")" + (same + again + b"\x86") * 60,
        "wide": b")" + (same + b"(" + again * 10**3 + b"t") * 6,
        "counted": b"ccollections\nCounter\n)" + b"\x85" * 10**6 + b"R",
        "dicts": b"}"
        + (same + b"0}(" + b"".join(b"M" + struct.pack("<H", n) + again for n in range(10**3)) + b"u") * 4,
    }
    for name, found in nested.items():
        yield f"{name} as a key", b"\x80\x02}" + found + b"K\x01s."
        yield f"{name} as a value", b"\x80\x02}K\x01" + found + b"s."
        yield name, b"\x80\x02" + found + b"."


def containers(weights):
    """Files that are wrong outside their pickle: name, suffix and bytes."""
    whole = zipped({"params": weights})
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    root = next(iter(parts)).partition("/")[0]

    def packed(changes, method=zipfile.ZIP_STORED):
        buffer = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
            warnings.simplefilter("ignore")  # names that appear twice
            for name, data in [*({**parts, **changes}).items(), *changes.get("again", {}).items()]:
                if isinstance(data, bytes):
                    archive.writestr(name, data)
        return buffer.getvalue()

    for part in ("data.pkl", "version", "byteorder", "data/0"):
        for data in (None, b"", b"text", b"big", parts[f"{root}/{part}"] * 2):
            yield f"{part} {data and data[:4]}", ".pth", packed({f"{root}/{part}": data})
        yield f"{part} again", ".pth", packed({"again": {f"{root}/{part}": b"\x80\x02N."}})
    yield "deflated", ".pth", packed({}, zipfile.ZIP_DEFLATED)
    yield "bomb", ".pth", packed({f"{root}/data/0": bytes(10**8)}, zipfile.ZIP_DEFLATED)
    yield "pickle bomb", ".pth", packed({f"{root}/data.pkl": bytes(10**8)}, zipfile.ZIP_DEFLATED)
    yield "lzma", ".pth", packed({}, zipfile.ZIP_LZMA)
    yield "package", ".pt", packed({f"{root}/data.pkl": None, f"{root}/.data/extern_modules": b"os"})
    yield "script", ".pt", packed({f"{root}/constants.pkl": b"\x80\x02N.", f"{root}/code/a.py": b"import os"})
    for name, data in expanding():
        yield name, ".pth", packed({f"{root}/data.pkl": data})
        yield f"{name} in capitals", ".pth", packed({f"{root}/data.pkl": None, f"{root}/DATA.PKL": data})
        yield f"{name} twice", ".pth", packed({f"{root}/data.pkl": data, "again": {f"{root}/data.pkl": b"\x80\x02N."}})
        yield f"{name} alone", ".pth", data
    for data in (b"text", b"{}", bytes(99), b"PK\3\4", b"PK\5\6" + bytes(18)):
        for suffix in (".pth", ".safetensors"):
            yield f"{data[:4]}", suffix, data
    yield "zip", ".safetensors", whole
    yield "safetensors", ".pth", save(weights)
    yield from safetensors_headers(save(weights))


def safetensors_headers(whole):
    length = struct.unpack("<Q", whole[:8])[0]
    header, body = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    entry = header[NAME]

    def packed(text, length=None):
        data = text.encode(errors="surrogatepass")
        return struct.pack("<Q", len(data) if length is None else length) + data + body

    text = json.dumps(header)
    for wrong in (0, 1, len(text) - 1, len(text) + 1, 2**31, 2**63):
        yield f"header of {wrong}", ".safetensors", packed(text, wrong)
    for change in (
        {"dtype": "F4"}, {"dtype": "I8"}, {"dtype": "BOOL"}, {"dtype": "F64"}, {"dtype": 3}, {"shape": [-8]},
        {"shape": [10**12, 10**12]}, {"shape": []}, {"shape": "x"}, {"data_offsets": [0, 32]},
        {"data_offsets": [32, 0]}, {"data_offsets": [0]}, {"data_offsets": [2**50, 2**50 + 32]}, {"data_offsets": None},
    ):  # fmt: skip
        yield f"entry {change}", ".safetensors", packed(json.dumps({**header, NAME: {**entry, **change}}))
    for said in (3, {"a": 3}, {"\x1b": "\x1b[2J"}, [], None):
        yield f"metadata {said}", ".safetensors", packed(json.dumps({**header, "__metadata__": said}))
    for number, other in enumerate(["", "[]", "3", "[" * 10**5, '{"a":' * 10**4, text[:-1] + "," + text[1:], text * 2]):
        yield f"header {number}", ".safetensors", packed(other)
    yield "names", ".safetensors", packed(json.dumps({("\x1b[2J" if n == NAME else n): e for n, e in header.items()}))


def answers(path):
    """What each reader makes of a file: its result, or the line that refuses it; any other error fails the test."""
    said = {}
    for reader, read in READERS.items():
        try:
            said[reader] = read(path)
        except UserError as error:
            said[reader] = str(error)
            assert said[reader].isprintable(), said[reader]
            assert said[reader].startswith(f"weights {path}: ")
            assert not any(word in said[reader].lower() for word in ("weights_only", "weights only", "in pytorch"))
    return said


def is_network(answer):
    """Whether a file was loaded, to a network whose weights are all finite."""
    if isinstance(answer, str):
        return False
    assert not answer.training
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in answer.state_dict().values())
    return True


@pytest.fixture
def ask(tmp_path):
    """Write a file and have every reader read it, which must leave nothing else behind."""
    count = 0

    def answer(data, suffix=".pth"):
        nonlocal count
        count += 1
        path = tmp_path / f"w{suffix}"
        path.write_bytes(data)
        said = answers(path)
        assert os.listdir(tmp_path) == [path.name]
        path.unlink()
        return said

    yield answer
    print(f"{count} files")


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".old", ".safetensors"])
def test_damaged_bytes(ask, weights, suffix):
    """A zip has checksums: what is accepted is what was saved."""
    whole = whole_files(weights)[suffix]
    assert is_network(ask(whole, suffix)["load"])
    accepted = 0
    for what, data in damaged(whole):
        loaded = ask(data, suffix)["load"]
        if is_network(loaded):
            accepted += 1
            if suffix in (".pth", ".pt", ".ckpt"):
                assert all(torch.equal(loaded.state_dict()[name], value) for name, value in weights.items()), what
    assert accepted < 40


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch: sparse rows are in beta
def test_changed_entries(ask, weights):
    for what, held, does in changed_entries(weights):
        said = ask(zipped(held))["load"]
        assert is_network(said) == does, (what, said)


@pytest.mark.parametrize("write", [zipped, old, lambda value: pickle.dumps(value, protocol=2), pickle.dumps])
def test_no_code_in_a_file_is_run(ask, weights, write, tmp_path_factory, monkeypatch):
    canary = tmp_path_factory.mktemp("elsewhere") / "canary"
    for what, asked in programs(str(canary)):
        for held in ({"code": asked, "params": weights}, {"params": {**weights, NAME: asked}}, asked):
            answer = ask(write(held))["load"]
            assert not canary.exists(), what
            assert what in ("device", "shadowed dict") or not is_network(answer), what


def test_wrong_containers(ask, weights):
    for what, suffix, data in containers(weights):
        loaded = ask(data, suffix)["load"]
        if is_network(loaded):
            assert "bomb" not in what, what


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "loop.pth").symlink_to("loop.pth")
    for name in ("pipe.pth", "folder.pth", "loop.pth", "none.pth", "folder.pth/none.pth", "/dev/zero", "x" * 300):
        assert all(isinstance(answer, str) for answer in answers(tmp_path / name).values()), name


@pytest.mark.parametrize(
    "command", [["upscale", "lr.png", "-o", "out", "--weights", "w.pth"], ["export", "w.pth", "-o", "x.onnx"]]
)
def test_commands_refuse_in_one_line_and_write_nothing(tmp_path, weights, ssiu, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("lr.png")
    whole = zipped({"params": weights})
    for data in (
        zipped({"params": weights, "code": Call(os.mkdir, "canary")}),
        whole[:-9999],
        zipped({"params": {**weights, NAME: torch.full(SHAPE, float("nan"))}}),
        zipped({"params": {**weights, NAME: torch.ones(SHAPE).int()}}),
        dict(expanding())["twofold as a key"],
    ):
        (tmp_path / "w.pth").write_bytes(data)
        code, out, err = ssiu(*command)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert "weights w.pth: " in err
        assert sorted(os.listdir()) == ["lr.png", "w.pth"]
