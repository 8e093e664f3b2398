"""The choice of backend and wrapper; ``tests/commands/test_train_and_test.py`` runs two processes for real."""

import types

import pytest
import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import dist_util

from ssiu_arch.patches.compat import distributed
from ssiu_arch.utils.errors import UserError


@pytest.fixture
def backend(monkeypatch):
    """Backend and time-out of the process group that would be made."""
    asked = []
    monkeypatch.setattr(
        torch.distributed,
        "init_process_group",
        lambda backend, timeout: asked.append((backend, timeout.total_seconds())),
    )
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setenv("RANK", "0")
    return asked


def test_gloo_without_a_gpu(backend, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    dist_util.init_dist("pytorch")
    assert backend == [("gloo", distributed.PATIENCE)]


def test_backend_and_time_out_are_options(backend, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    distributed.remember({"dist_params": {"backend": "mpi", "timeout": 60}})
    dist_util.init_dist("pytorch")
    distributed.remember({})
    assert backend == [("mpi", 60)]


def test_nccl_stays_with_a_gpu(backend, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    dist_util.init_dist("pytorch")
    assert backend == [("nccl", distributed.PATIENCE)]


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


def test_slurm_takes_the_time_out_too(backend, monkeypatch):
    for name, value in {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_NODELIST": "here"}.items():
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, "1")  # which BasicSR sets; put back afterwards
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    distributed.remember({"dist_params": {"backend": "gloo", "timeout": 60}})
    dist_util.init_dist("slurm", backend="gloo", timeout=60)
    distributed.remember({})
    assert backend == [("gloo", 60)]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"backend": "foo"}, r"dist_params.backend \('foo'\) must be one of nccl, gloo"),
        ({"timeout": "2h"}, r"dist_params.timeout \('2h'\) must be a number of seconds above 0"),
        ("nccl", r"dist_params \('nccl'\) must hold options of its own"),
    ],
)
def test_options_that_are_none(asked, message):
    with pytest.raises(UserError, match=message):
        distributed.remember({"dist_params": asked})
