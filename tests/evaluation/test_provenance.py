"""Hashes of weights and data."""

import hashlib
import shutil
import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from ssiu_arch.evaluation.provenance import data_fingerprint, file_hash, network, stored_grey, versions, weights


@pytest.fixture
def folder(tmp_path):
    for role, content in (("HR", b"high"), ("LR", b"low")):
        (tmp_path / "a" / role).mkdir(parents=True)
        for name in ("x.png", "y.png"):
            (tmp_path / "a" / role / name).write_bytes(content + name.encode())
    return tmp_path / "a"


def on_disk(folder, order=("x", "y")):
    paths = [{"gt_path": f"{folder}/HR/{name}.png", "lq_path": f"{folder}/LR/{name}.png"} for name in order]
    opt = {"dataroot_gt": f"{folder}/HR", "dataroot_lq": f"{folder}/LR"}
    return SimpleNamespace(opt=opt, paths=paths)


def test_hash_of_a_file_is_that_of_sha256sum(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"weights" * 1_000_000)
    assert file_hash(tmp_path / "net.pth") == hashlib.sha256(b"weights" * 1_000_000).hexdigest()[:12]


def test_fingerprint_is_of_names_and_bytes_in_whatever_place_and_order(folder):
    expected = data_fingerprint(on_disk(folder))
    moved = shutil.copytree(folder, folder.parent / "elsewhere")
    assert data_fingerprint(on_disk(moved, order=("y", "x"))) == expected

    lines = [
        f"{role}/{name} {hashlib.sha256(content + name.encode()).hexdigest()}\n"
        for role, content in (("gt", b"high"), ("lq", b"low"))
        for name in ("x.png", "y.png")
    ]
    assert expected == hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


def test_fingerprint_tells_a_byte_a_name_and_a_role(folder):
    seen = {data_fingerprint(on_disk(folder))}
    (folder / "LR/x.png").write_bytes(b"lox")
    seen.add(data_fingerprint(on_disk(folder)))
    for role in ("HR", "LR"):
        (folder / role / "y.png").rename(folder / role / "z.png")
    seen.add(data_fingerprint(on_disk(folder, order=("x", "z"))))
    swapped = on_disk(folder, order=("x", "z"))
    swapped.paths = [{"gt_path": pair["lq_path"], "lq_path": pair["gt_path"]} for pair in swapped.paths]
    seen.add(data_fingerprint(swapped))
    assert len(seen) == 4


def test_fingerprint_of_an_lmdb(tmp_path):
    opt = {"dataroot_gt": str(tmp_path / "HR.lmdb"), "dataroot_lq": str(tmp_path / "LR.lmdb")}
    for root in opt.values():
        (tmp_path / root).mkdir()
        (tmp_path / root / "data.mdb").write_bytes(b"data")
        (tmp_path / root / "meta_info.txt").write_text("x.png (4,4,3) 1\n")
    dataset = SimpleNamespace(opt=opt, paths=[{"gt_path": "x", "lq_path": "x"}])
    before = data_fingerprint(dataset)
    (tmp_path / "LR.lmdb/data.mdb").write_bytes(b"dada")
    assert before is not None
    assert data_fingerprint(dataset) != before
    assert stored_grey(dataset) == []


def test_files_that_are_not_known_have_no_fingerprint(folder):
    assert data_fingerprint(SimpleNamespace(opt={})) is None
    assert data_fingerprint(SimpleNamespace(opt={}, paths=["x.png"])) is None
    assert data_fingerprint(on_disk(folder, order=("absent",))) is None


def test_metadata_that_pillow_refuses_do_not_end_a_test(folder):
    png = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()
    body = b"zTXt" + b"note\0\0" + zlib.compress(bytes(2**21))
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (folder / "HR/x.png").write_bytes(png[:33] + chunk + png[33:])
    (folder / "HR/y.png").write_bytes(png)
    assert stored_grey(on_disk(folder)) == ["y"]


def test_weights(tmp_path):
    torch.save({"params": {"a": torch.ones(1)}, "net": {"params_ema": {"a": torch.ones(1)}}}, tmp_path / "net.pth")
    path = {"pretrain_network_g": str(tmp_path / "net.pth"), "param_key_g": "params_ema", "strict_load_g": True}
    assert weights({"path": path}) == [f"{tmp_path}/net.pth, params, sha256 {file_hash(tmp_path / 'net.pth')}"]
    del path["param_key_g"]
    torch.save({"net": {"params_ema": {"a": torch.ones(1)}}}, tmp_path / "net.pth")
    assert weights({"path": path})[0].startswith(f"{tmp_path}/net.pth, net.params_ema, ")
    (line,) = weights({"path": {"pretrain_network_g": None}})
    assert line.endswith("weights are random")


def test_network_and_versions():
    assert network({"network_g": {"type": "SSIU", "upscale": 4}}) == "SSIU (upscale 4)"
    assert network({"network_g": {"type": "EDSR"}}) == "EDSR"
    assert "basicsr 1." in versions()
