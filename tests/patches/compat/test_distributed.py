"""The choice of backend and wrapper; ``tests/cli/test_train_and_test.py`` runs two processes for real."""

import types

import pytest
import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import dist_util


@pytest.fixture
def backend(monkeypatch):
    """The backend of the process group that would be made."""
    asked = []
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda backend, **options: asked.append(backend))
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(dist_util.mp, "set_start_method", lambda method: None)  # else all later workers are spawned
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("RANK", "0")
    return asked


@pytest.mark.parametrize(("cuda", "options", "expected"), [
    (False, {}, "gloo"), (False, {"backend": "mpi"}, "mpi"), (True, {}, "nccl"), (True, {"backend": "gloo"}, "gloo"),
])  # fmt: skip
def test_nccl_needs_a_gpu(backend, monkeypatch, cuda, options, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    dist_util.init_dist("pytorch", **options)
    assert backend == [expected]


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
