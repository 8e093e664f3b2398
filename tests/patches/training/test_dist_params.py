"""``dist_params`` of an option file: backend and time-out."""

import pytest
import torch
from basicsr.utils import dist_util

from ssiu_arch.patches.training import dist_params
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
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("RANK", "0")
    yield asked
    dist_params.remember({})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [({}, ("nccl", 3 * 3600)), ({"backend": "mpi", "timeout": 60}, ("mpi", 60)), ({"timeout": 5.5}, ("nccl", 5.5))],
)
def test_torchrun(group, asked, expected):
    dist_params.remember({"dist_params": asked})
    dist_util.init_dist("pytorch")
    assert group == [expected]


def test_slurm(group, monkeypatch):
    for name, value in {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_NODELIST": "here"}.items():
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, "1")  # which BasicSR sets; restored afterwards
    asked = {"backend": "gloo", "timeout": 60}
    dist_params.remember({"dist_params": asked})
    dist_util.init_dist("slurm", **asked)
    assert group == [("gloo", 60)]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"backend": "foo"}, r"dist_params.backend \('foo'\).* nccl, gloo"),
        ({"timeout": "2h"}, r"dist_params.timeout \('2h'\).* seconds"),
        ("nccl", r"dist_params \('nccl'\).* backend, timeout"),
    ],
)
def test_bad_options(asked, message):
    with pytest.raises(UserError, match=message):
        dist_params.remember({"dist_params": asked})
