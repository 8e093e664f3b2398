import pytest
import torch
from basicsr import train

from ssiu_arch.utils.errors import UserError


@pytest.fixture
def options(tmp_path):
    """A run with whole states of iterations 5, 30 and 200."""
    states, models = tmp_path / "experiments/x/training_states", tmp_path / "experiments/x/models"
    states.mkdir(parents=True)
    models.mkdir()
    for iteration in (5, 30, 200):
        state = {"iter": iteration, "epoch": 0, "optimizers": [{"moment": torch.ones(2)}], "schedulers": []}
        torch.save(state, states / f"{iteration}.state")
        torch.save({"params": {}}, models / f"net_g_{iteration}.pth")
    (states / "notes.state").touch()
    path = {"training_states": str(states), "models": str(models)}
    return {"auto_resume": True, "network_g": {}, "path": path}


def test_auto_resume_takes_the_newest_state_of_the_run_wherever_the_current_folder_is(options, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    state = train.load_resume_state(options)
    assert state["iter"] == 200
    assert state["optimizers"][0]["moment"].device.type == "cpu"
    assert options["path"]["pretrain_network_g"].endswith("net_g_200.pth")


@pytest.mark.parametrize("damaged", ["training_states/200.state", "models/net_g_200.pth"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "gone"])
def test_a_damaged_newest_state_falls_back_to_the_one_before_and_says_so(options, tmp_path, capsys, damaged, damage):
    file = tmp_path / "experiments/x" / damaged
    content = file.read_bytes()
    file.unlink()
    if damage != "gone":
        file.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    assert train.load_resume_state(options)["iter"] == 30
    said = capsys.readouterr().err
    if (damage, damaged) != ("gone", "training_states/200.state"):
        assert "skipping iteration 200" in said
        assert str(file) in said


def test_no_whole_state_at_all_is_an_error_rather_than_a_new_start(options, tmp_path):
    for file in (tmp_path / "experiments/x/models").iterdir():
        file.unlink()
    with pytest.raises(UserError, match=r"none of the 3 states in .*training_states.* anew"):
        train.load_resume_state(options)


def test_weights_are_taken_from_the_key_they_are_saved_under(options):
    options["path"]["param_key_g"] = None  # of the file that the training began with
    train.load_resume_state(options)
    assert options["path"]["param_key_g"] == "params"


def test_the_seed_of_the_run_is_kept(options, tmp_path):
    file = tmp_path / "experiments/x/training_states/200.state"
    torch.save({**torch.load(file), "manual_seed": 7525}, file)
    options["manual_seed"] = 4905  # drawn anew, the option file having none
    train.load_resume_state(options)
    assert options["manual_seed"] == 7525


def test_a_named_state_of_another_run(options, tmp_path):
    options["auto_resume"] = False
    options["path"]["resume_state"] = options["path"]["training_states"] + "/30.state"
    options["path"]["models"] = str(tmp_path / "experiments/other/models")
    with pytest.raises(UserError, match=r"experiments/other/models/net_g_30.pth is missing"):
        train.load_resume_state(options)


def test_a_named_state(options):
    options["auto_resume"] = False
    options["path"]["resume_state"] = options["path"]["training_states"] + "/30.state"
    assert train.load_resume_state(options)["iter"] == 30


@pytest.mark.parametrize(("name", "message"), [("7.state", "is missing"), ("notes.state", "is damaged")])
def test_a_named_state_that_is_no_use(options, name, message):
    options["auto_resume"] = False
    options["path"]["resume_state"] = options["path"]["training_states"] + "/" + name
    with pytest.raises(UserError, match=message):
        train.load_resume_state(options)


def test_weights_are_no_state(options):
    options["auto_resume"] = False
    options["path"]["resume_state"] = options["path"]["models"] + "/net_g_30.pth"
    with pytest.raises(UserError, match="not a training state"):
        train.load_resume_state(options)


def test_nothing_to_resume(options, tmp_path):
    options["path"]["training_states"] = str(tmp_path / "none")
    assert train.load_resume_state(options) is None
    options["auto_resume"] = False
    options["path"]["resume_state"] = None
    assert train.load_resume_state(options) is None
