import os

import pytest
import torch
from basicsr import train

from ssiu_arch.patches import states
from ssiu_arch.patches.training import resume_state
from ssiu_arch.utils.errors import UserError

TINY = {"type": "MSRResNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "upscale": 2}


def network(**options):
    from basicsr.archs.srresnet_arch import MSRResNet

    return MSRResNet(**{name: value for name, value in (TINY | options).items() if name != "type"})


def trained(kind=torch.optim.Adam, net=None, **options):
    """The state of an optimiser after a step."""
    parameters = list((net or network()).parameters())
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer = kind(parameters, 1e-4, **options)
    optimizer.step()
    return optimizer.state_dict()


@pytest.fixture
def options(tmp_path):
    """A run with whole states of iterations 5, 30 and 200."""
    folder, models = tmp_path / "experiments/x/training_states", tmp_path / "experiments/x/models"
    folder.mkdir(parents=True)
    models.mkdir()
    net = network()
    for iteration in (5, 30, 200):
        state = {"iter": iteration, "epoch": 0, "optimizers": [trained(net=net)], "schedulers": []}
        torch.save(state, folder / f"{iteration}.state")
        torch.save({"params": net.state_dict()}, models / f"net_g_{iteration}.pth")
    (folder / "notes.state").touch()
    path = {"experiments_root": str(folder.parent), "training_states": str(folder), "models": str(models)}
    opt = {"auto_resume": True, "model_type": "SRModel", "network_g": dict(TINY), "path": path, "manual_seed": 7}
    return opt | {"train": {"total_iter": 300, "optim_g": {"type": "Adam", "lr": 1e-4}}}


@pytest.fixture
def change(tmp_path):
    """Change the newest state."""

    def change(**entries):
        file = tmp_path / "experiments/x/training_states/200.state"
        torch.save({**torch.load(file), **entries}, file)

    return change


def test_auto_resume_takes_the_newest_state_of_the_run_wherever_the_current_folder_is(options, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    state = train.load_resume_state(options)
    assert state["iter"] == 200
    assert state["optimizers"][0]["state"][0]["exp_avg"].device.type == "cpu"
    assert options["path"]["pretrain_network_g"].endswith("net_g_200.pth")


@pytest.mark.parametrize("damaged", ["training_states/200.state", "models/net_g_200.pth"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "text", "legacy", "empty", "gone"])
def test_a_damaged_newest_state_falls_back_to_the_one_before_and_says_so(options, tmp_path, capsys, damaged, damage):
    file = tmp_path / "experiments/x" / damaged
    content = file.read_bytes()
    file.unlink()
    if damage == "legacy":  # without checksums
        torch.save({"params": {}}, file, _use_new_zipfile_serialization=False)
    elif damage != "gone":
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        file.write_bytes({"truncated": content[:middle], "flipped": flipped, "text": b"no zip"}.get(damage, b""))
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


def test_the_moments_are_those_of_the_file(options):
    saved = torch.load(options["path"]["training_states"] + "/200.state")["optimizers"][0]["state"]
    found = train.load_resume_state(options)["optimizers"][0]["state"]
    assert all(torch.equal(found[n][name], value) for n, state in saved.items() for name, value in state.items())


def test_weights_are_taken_from_the_key_they_are_saved_under(options):
    options["path"]["param_key_g"] = None  # of the file that the training began with
    train.load_resume_state(options)
    assert options["path"]["param_key_g"] == "params"


def test_a_seed_that_basicsr_drew_is_kept_and_one_that_is_written_counts(options, change):
    change(manual_seed=7525)
    drawn = {**options, "world_size": 1}
    drawn["manual_seed"] = drawn.pop("manual_seed")  # last, where BasicSR puts it
    train.load_resume_state(drawn)
    assert drawn["manual_seed"] == 7525
    train.load_resume_state(written := {**options, "world_size": 1})
    assert written["manual_seed"] == 7


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


def test_what_a_resumed_run_does_not_use_is_said(options, capsys):
    train.load_resume_state(options)
    assert capsys.readouterr().err == ""
    options["path"]["resume_state"] = named = options["path"]["training_states"] + "/30.state"
    options["train"]["total_iter"] = 200
    assert train.load_resume_state(options)["iter"] == 200
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert f"200.state, not path.resume_state ({named})" in said[0]
    assert "nothing is left to train: iteration 200 is done" in said[1]


def test_nothing_to_resume(options, tmp_path):
    options["path"]["training_states"] = str(tmp_path / "none")
    assert train.load_resume_state(options) is None
    options["auto_resume"] = False
    options["path"]["resume_state"] = None
    assert train.load_resume_state(options) is None


OPTIMIZER = trained()


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ({"iter": "x"}, "iter"),
        ({"iter": -1}, "iter"),
        ({"iter": float("nan")}, "iter"),
        ({"iter": True}, "iter"),
        ({"iter": 30}, "iteration 30"),
        ({"epoch": None}, "epoch"),
        ({"optimizers": {}}, "optimizers"),
        ({"optimizers": ["x"]}, "optimizers"),
        ({"optimizers": [{"state": {}}]}, "param_groups"),
        ({"optimizers": [{**OPTIMIZER, "param_groups": [{}]}]}, "params"),
        ({"schedulers": None}, "schedulers"),
        ({"random": {"python": 1}}, "random"),
        ({"random": {**states.random_state(), "torch": torch.ones(3)}}, "random"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_state_with_entries_of_other_types_is_skipped_by_name(options, change, capsys, entries, word):
    change(**entries)
    assert train.load_resume_state(options)["iter"] == 30
    said = capsys.readouterr().err
    assert "skipping iteration 200" in said
    assert word in said


@pytest.mark.parametrize("name", ["epoch", "iter", "optimizers", "schedulers"])
def test_a_state_that_lacks_a_key_is_skipped(options, tmp_path, name):
    file = tmp_path / "experiments/x/training_states/200.state"
    torch.save({key: value for key, value in torch.load(file).items() if key != name}, file)
    assert train.load_resume_state(options)["iter"] == 30


class Evil:  # pickles as a call
    def __reduce__(self):
        return os.system, ("touch evil",)


def test_no_code_in_a_state_is_run(options, change, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change(options=Evil())
    assert train.load_resume_state(options)["iter"] == 30
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("saved", "word"),
    [
        ([], "holds 0 optimisers"),
        ([OPTIMIZER, OPTIMIZER], "holds 2 optimisers"),
        ([trained(torch.optim.SGD)], "another type"),
        ([trained(torch.optim.AdamW)], "another type"),
        ([trained(net=network(num_block=2))], "doesn't match the size"),
        ([trained(net=network(num_feat=8))], "other shapes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_optimisers_that_do_not_fit_are_refused(options, change, saved, word):
    change(optimizers=saved)
    with pytest.raises(UserError, match=word):
        train.load_resume_state(options)


@pytest.mark.parametrize(
    ("section", "changed", "word"),
    [
        ("network_g", {"num_feat": 8}, r"do not fit the network .* \d+ parameters of another shape \(.*, \.\.\.\)$"),
        ("network_g", {"num_block": 2}, "do not fit the network"),
        ("optim_g", {"type": "SGD"}, "another type"),
        ("optim_g", {"amsgrad": True}, "max_exp_avg_sq"),
    ],
    ids=str,
)
def test_what_cannot_change_is_refused(options, section, changed, word):
    (options if section in options else options["train"])[section].update(changed)
    with pytest.raises(UserError, match=word):
        train.load_resume_state(options)


def test_another_type_of_optimiser_is_refused_by_the_names_of_both(options, change):
    change(options=states.recorded(options))
    options["train"]["optim_g"]["type"] = "AdamW"
    with pytest.raises(UserError, match=r"train.optim_g.type \(Adam -> AdamW\)"):
        train.load_resume_state(options)


def test_what_changed_is_said_and_what_did_not_is_not(options, change):
    change(options=states.recorded(options))
    assert not train.load_resume_state(options)["said"]
    options["train"]["optim_g"].update(lr=5e-5, betas=[0.9, 0.99])
    options["train"]["total_iter"] = 400
    said = train.load_resume_state(options)["said"]
    for line in ("optim_g.lr: 0.0001 -> 5e-05", "optim_g.betas: not set -> [0.9, 0.99]", "total_iter: 300 -> 400"):
        assert f"train.{line}" in said
    assert said.count("->") == 3


def test_a_state_without_a_record_of_its_options_says_so(options):
    assert "does not say" in train.load_resume_state(options)["said"]


def test_the_next_states_record_the_options_of_this_run(options):
    train.load_resume_state(options)
    assert resume_state.asked["train.optim_g.lr"] == 1e-4
