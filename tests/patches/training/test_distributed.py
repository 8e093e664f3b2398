"""Backend, time-out and wrapper; ``tests/cli/test_train_and_test.py`` runs two processes for real."""

import types

import pytest
import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import dist_util

from ssiu_arch.patches.training import distributed


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
    monkeypatch.setenv("RANK", "0")
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
