"""Backend, time-out and wrapper; ``tests/cli/test_train_and_test.py`` runs two processes for real."""

import socket
import types

import pytest
import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import dist_util

from ssiu_arch.patches.training import distributed
from ssiu_arch.utils.errors import UserError


@pytest.fixture
def group(monkeypatch):
    """Backend and time-out of the process group that would be made."""
    asked = []
    monkeypatch.setattr(
        torch.distributed,
        "init_process_group",
        lambda backend, timeout: asked.append((backend, timeout.total_seconds())),
    )
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(dist_util.mp, "set_start_method", lambda method: None)  # else all later workers are spawned
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name, value in {"RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    yield asked
    distributed.remember({})


@pytest.mark.parametrize(
    ("cuda", "asked", "expected"),
    [
        (True, {}, ("nccl", 3 * 3600)),
        (True, {"backend": "mpi", "timeout": 60}, ("mpi", 60)),
        (True, {"timeout": 5.5}, ("nccl", 5.5)),
        (False, {"backend": "nccl", "timeout": 60}, ("gloo", 60)),  # NCCL needs a GPU
        (False, {"backend": "mpi"}, ("mpi", 3 * 3600)),
    ],
)
def test_torchrun(group, monkeypatch, cuda, asked, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    distributed.remember({"dist_params": asked})
    dist_util.init_dist("pytorch")
    assert group == [expected]


def test_a_master_that_is_unknown_or_never_answers_is_named(group, monkeypatch):
    monkeypatch.setattr(distributed, "PATIENCE", 0)
    with socket.create_server(("127.0.0.1", 0)) as master:
        port = str(master.getsockname()[1])
        monkeypatch.setenv("MASTER_PORT", port)
        monkeypatch.setenv("RANK", "1")
        dist_util.init_dist("pytorch")
    with pytest.raises(UserError, match=rf"MASTER_ADDR \(127.0.0.1\), MASTER_PORT \({port}\): no answer"):
        dist_util.init_dist("pytorch")
    monkeypatch.setattr(distributed, "PATIENCE", 1000)
    monkeypatch.setenv("MASTER_ADDR", "not a name")
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(UserError, match=r"MASTER_ADDR \(not a name\)"):
            dist_util.init_dist("pytorch")
    assert len(group) == 1


def test_slurm(group, monkeypatch):
    for name, value in {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_NODELIST": "here"}.items():
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, "1")  # which BasicSR sets; restored afterwards
    dist_util.init_dist("slurm", backend="gloo", timeout=60)
    assert group == [("gloo", 60)]


def test_networks_are_wrapped_without_device_numbers(monkeypatch):
    wrapped = []
    monkeypatch.setattr(
        torch.nn.parallel, "DistributedDataParallel", lambda net, **options: wrapped.append(options) or net
    )
    model = types.SimpleNamespace(opt={"dist": True, "num_gpu": 0}, device=torch.device("cpu"))
    net = torch.nn.Linear(1, 1)
    assert BaseModel.model_to_device(model, net) is net
    assert wrapped == [{"device_ids": None, "find_unused_parameters": False, "broadcast_buffers": False}]


def test_a_single_process_is_left_to_basicsr():
    model = types.SimpleNamespace(opt={"dist": False, "num_gpu": 0}, device=torch.device("cpu"))
    net = torch.nn.Linear(1, 1)
    assert BaseModel.model_to_device(model, net) is net
