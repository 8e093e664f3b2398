import types

import pytest
from basicsr import train

from ssiu_arch.errors import UserError
from ssiu_arch.repairs import guarded_iterations
from ssiu_arch.repairs.repair import is_ours


@pytest.fixture
def model():
    """A model that does nothing but log what it is told to."""
    model = types.SimpleNamespace(opt={"path": {"training_states": "states"}, "dist": False}, log_dict={}, calls=[])
    model.optimize_parameters = lambda iteration: model.calls.append(iteration)
    model.validation = lambda loader, iteration, *args: model.calls.append(
        (loader.dataset.opt["name"], iteration, *args)
    )
    model.save = lambda epoch, iteration: model.calls.append(f"saved {iteration}")
    guarded_iterations.guard(model)
    yield model
    guarded_iterations.stop.clear()


def loader(name):
    return types.SimpleNamespace(dataset=types.SimpleNamespace(opt={"name": name}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_stops_the_run(model, value):
    model.log_dict = {"l_pix": 0.1, "l_fft": value}
    with pytest.raises(
        UserError, match=rf"iteration 7: l_fft is {value}; stopped, the states in states are from before"
    ):
        model.optimize_parameters(7)


def test_finite_losses_pass(model):
    model.log_dict = {"l_pix": 0.1}
    model.optimize_parameters(1)
    model.optimize_parameters(2)
    assert model.calls == [1, 2]


def test_an_iteration_is_validated_once_a_set(model):
    for name, iteration in [("a", 5), ("b", 5), ("a", 5), ("b", 5), ("a", 6)]:
        model.validation(loader(name), iteration, None, False)
    assert model.calls == [("a", 5, None, False), ("b", 5, None, False), ("a", 6, None, False)]


def test_asked_to_stop_it_finishes_the_iteration_and_saves(model):
    guarded_iterations.stop.set()
    with pytest.raises(guarded_iterations.Stopped, match="3"):
        model.optimize_parameters(3)
    assert model.calls == [3, "saved 3"]


def test_several_processes_do_not_stop_one_by_one(model):
    model.opt["dist"] = True
    guarded_iterations.stop.set()
    model.optimize_parameters(3)
    assert model.calls == [3]


def test_trainings_are_guarded():
    assert is_ours(train.build_model)
