import errno
import io
import logging
import os
import types

import pytest
import torch
from basicsr.models.base_model import BaseModel

from ssiu_arch.patches.training.folders import save_atomically
from ssiu_arch.utils.errors import UserError


@pytest.fixture
def model(tmp_path):
    model = BaseModel(
        {"num_gpu": 0, "is_train": True, "path": {"models": str(tmp_path), "training_states": str(tmp_path)}}
    )
    model.optimizers, model.schedulers = [], []
    return model


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that has no room once a file is written."""

    def fail(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)


def test_networks_are_saved_as_basicsr_saves_them(model, tmp_path):
    net = torch.nn.Linear(2, 2)
    ema = types.SimpleNamespace(state_dict=lambda: {"module.weight": torch.ones(1)})
    model.save_network([net, ema], "net_g", 7, param_key=["params", "params_ema"])
    held = torch.load(tmp_path / "net_g_7.pth")
    torch.testing.assert_close(held["params"]["weight"], net.weight.detach())
    assert list(held["params_ema"]) == ["weight"]
    model.save_network(net, "net_g", -1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net_g_7.pth", "net_g_latest.pth"]


@pytest.mark.usefixtures("full_disk")
def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"old")
    with pytest.raises(UserError, match=r"x\.pth.*disk is full"):
        save_atomically({"a": torch.ones(1000)}, tmp_path / "x.pth", must=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.pth": b"old"}


@pytest.mark.usefixtures("full_disk")
def test_a_failed_save_on_the_way_is_logged_and_the_last_one_an_error(model, tmp_path, caplog):
    logging.getLogger("basicsr").addHandler(caplog.handler)
    model.save_network(torch.nn.Linear(2, 2), "net_g", 5)
    model.save_training_state(0, 5)
    logging.getLogger("basicsr").removeHandler(caplog.handler)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "net_g_5.pth" in caplog.text
    assert "5.state" in caplog.text
    with pytest.raises(UserError, match=r"net_g_latest.pth.*disk is full"):
        model.save_network(torch.nn.Linear(2, 2), "net_g", -1)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_while_torch_writes_is_said_to_be_full(tmp_path, monkeypatch):
    class Full(io.BufferedWriter):
        def write(self, data):
            if self.tell() > 5000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr("builtins.open", lambda path, mode: Full(io.FileIO(path, mode)))
    with pytest.raises(UserError, match=r"x\.pth.*disk is full"):
        save_atomically({"a": torch.ones(10**5)}, tmp_path / "x.pth", must=True)
    assert not list(tmp_path.iterdir())


def test_the_file_appears_whole(tmp_path, monkeypatch):
    """Nothing has the final name before everything is on the disk."""
    seen = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append((tmp_path / "x.pth").exists()))
    save_atomically({"a": 1}, tmp_path / "x.pth", must=True)
    assert seen == [False]
    assert torch.load(tmp_path / "x.pth") == {"a": 1}
