import pytest
import torch
from basicsr import train

from ssiu_arch.repairs import cpu_resume


@pytest.fixture
def options(tmp_path):
    states = tmp_path / "experiments/x/training_states"
    states.mkdir(parents=True)
    for iteration in (5, 30, 200):
        torch.save({"iter": iteration, "epoch": 0, "moment": torch.ones(2)}, states / f"{iteration}.state")
    (states / "notes.state").touch()
    path = {"training_states": str(states), "models": str(tmp_path / "experiments/x/models")}
    return {"auto_resume": True, "network_g": {}, "path": path}


def test_auto_resume_takes_the_newest_state_of_the_run_wherever_the_current_folder_is(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    state = train.load_resume_state(options)
    assert state["iter"] == 200
    assert state["moment"].device.type == "cpu"
    assert options["path"]["pretrain_network_g"].endswith("net_g_200.pth")


def test_a_named_state(options):
    options["auto_resume"] = False
    options["path"]["resume_state"] = options["path"]["training_states"] + "/30.state"
    assert train.load_resume_state(options)["iter"] == 30


def test_nothing_to_resume(options, tmp_path):
    options["path"]["training_states"] = str(tmp_path / "none")
    assert train.load_resume_state(options) is None
    options["auto_resume"] = False
    options["path"]["resume_state"] = None
    assert train.load_resume_state(options) is None


def test_inert_where_no_device_is_asked_for():
    assert not cpu_resume.REPAIR.is_needed()
