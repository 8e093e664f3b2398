import random
import types

import pytest
import torch
from basicsr.models.base_model import BaseModel

from ssiu_arch.patches.training import guarded_iterations
from ssiu_arch.utils.errors import UserError


@pytest.fixture
def model():
    """A model with two validation sets, every 5 iterations, that notes what it is made to do."""
    datasets = {"train": {}, "val_1": {"name": "a"}, "val_2": {"name": "b"}}
    opt = {"path": {"training_states": "states"}, "dist": False, "datasets": datasets, "val": {"val_freq": 5}}
    model = types.SimpleNamespace(opt=opt, log_dict={}, calls=[])
    model.update_learning_rate = lambda iteration, warmup_iter=-1: None
    model.optimize_parameters = lambda iteration: model.calls.append(iteration)
    model.validation = lambda loader, iteration, *args: model.calls.append((loader.dataset.opt["name"], iteration))
    model.save = lambda epoch, iteration: model.calls.append(f"saved {iteration}")
    guarded_iterations.Guard(model)
    yield model
    guarded_iterations.stop.clear()


def loader(name):
    return types.SimpleNamespace(dataset=types.SimpleNamespace(opt={"name": name}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_stops_the_run(model, value):
    model.log_dict = {"l_pix": 0.1, "l_fft": value}
    with pytest.raises(UserError, match=rf"iteration 7: l_fft is {value}; .* states .*skip_non_finite"):
        model.optimize_parameters(7)


def test_iterations_draw_the_same_numbers_whatever_draws_in_between():
    def drawn(between):
        torch.manual_seed(0), random.seed(0)
        model = BaseModel({"num_gpu": 0, "is_train": True, "datasets": {}})
        model.log_dict, numbers = {}, []
        model.optimize_parameters = lambda iteration: numbers.append((random.random(), torch.rand(1).item()))
        guarded_iterations.Guard(model)
        for iteration in (1, 2, 3):
            model.update_learning_rate(iteration)
            model.optimize_parameters(iteration)
            between()
        return numbers

    assert drawn(lambda: None) == drawn(lambda: (torch.rand(3), random.random()))


def test_finite_losses_pass(model):
    model.log_dict = {"l_pix": 0.1}
    model.optimize_parameters(1)
    model.optimize_parameters(2)
    assert model.calls == [1, 2]


class OnTheirWay(dict):
    """Losses that can be read without waiting once ``here`` is true."""

    here = False

    def arrived(self):
        return self.here


@pytest.fixture
def late(model):
    """The losses of iterations 1 to 3, which are still on their way; those of 2 are no numbers."""
    losses = [OnTheirWay(l_pix=value) for value in (0.1, float("nan"), float("nan"))]
    for iteration, model.log_dict in enumerate(losses, 1):
        model.optimize_parameters(iteration)
    return losses


def test_losses_on_their_way_are_looked_at_once_they_arrive(model, late):
    late[0].here = True
    model.log_dict = OnTheirWay(l_pix=0.1)
    model.optimize_parameters(4)
    late[1].here = True
    with pytest.raises(UserError, match="iteration 2: l_pix is nan"):
        model.optimize_parameters(5)


def test_nothing_is_saved_before_all_losses_are_known(model, late):
    for epoch, iteration, first in [(0, 3, 2), (-1, -1, 3)]:
        with pytest.raises(UserError, match=f"iteration {first}: l_pix is nan"):
            model.save(epoch, iteration)
    assert model.calls == [1, 2, 3]


def test_nothing_is_validated_before_all_losses_are_known(model, late):
    model.save(0, 5)  # waits for the validation
    with pytest.raises(UserError, match="iteration 2: l_pix is nan"):
        model.validation(loader("a"), 5, None, False)
    assert model.calls == [1, 2, 3]


def test_asked_to_stop_it_saves_no_bad_state(model, late):
    guarded_iterations.stop.set()
    with pytest.raises(UserError, match="iteration 2: l_pix is nan"):
        model.update_learning_rate(4, warmup_iter=-1)
    assert model.calls == [1, 2, 3]


def test_an_iteration_is_validated_once_a_set(model):
    for name, iteration in [("a", 5), ("b", 5), ("a", 5), ("b", 5), ("a", 6)]:
        model.validation(loader(name), iteration, None, False)
    assert model.calls == [("a", 5), ("b", 5), ("a", 6)]


def test_a_state_is_saved_after_the_validation_of_its_iteration(model):
    """Else a run resumed from it would know the best scores of the turn before, and skip the validation."""
    model.save(0, 4)
    model.save(0, 5)
    model.validation(loader("a"), 5, None, False)
    model.validation(loader("b"), 5, None, False)
    model.save(-1, -1)
    assert model.calls == ["saved 4", ("a", 5), ("b", 5), "saved 5", "saved -1"]


def test_a_validation_that_fails_does_not_cost_the_state(model):
    def fail(*args):
        raise OSError("a damaged image")

    plain = types.SimpleNamespace(opt={**model.opt, "datasets": {"val": {}}}, log_dict={}, calls=[], validation=fail)
    plain.update_learning_rate = plain.optimize_parameters = None
    plain.save = lambda epoch, iteration: plain.calls.append(f"saved {iteration}")
    guarded_iterations.Guard(plain)
    plain.save(0, 5)
    with pytest.raises(OSError, match="damaged"):
        plain.validation(loader("a"), 5, None, False)
    assert plain.calls == ["saved 5"]


def test_without_validation_a_state_is_saved_at_once(model):
    model.opt["val"] = None
    model.save(0, 5)
    assert model.calls == ["saved 5"]


def test_asked_to_stop_it_saves_before_the_next_iteration(model):
    guarded_iterations.stop.set()
    model.optimize_parameters(3)
    with pytest.raises(guarded_iterations.Stopped, match="3"):
        model.update_learning_rate(4, warmup_iter=-1)
    assert model.calls == [3, "saved 3"]


def test_asked_to_stop_before_the_first_iteration_it_saves_nothing(model):
    guarded_iterations.stop.set()
    with pytest.raises(KeyboardInterrupt):
        model.update_learning_rate(4, warmup_iter=-1)
    assert model.calls == []
