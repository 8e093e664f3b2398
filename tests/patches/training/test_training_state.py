import random

import numpy as np
import pytest
import torch
from basicsr.models import lr_scheduler
from basicsr.models.base_model import BaseModel

from ssiu_arch.patches.training.training_state import random_state, set_random_state


@pytest.fixture
def model(tmp_path):
    def make(periods=(10,), eta_min=0.0):
        model = BaseModel({"num_gpu": 0, "is_train": True, "path": {"training_states": str(tmp_path)}})
        model.optimizers = [torch.optim.Adam([torch.nn.Parameter(torch.ones(2))], 1.0)]
        weights = [1] * len(periods)
        model.schedulers = [lr_scheduler.CosineAnnealingRestartLR(model.optimizers[0], list(periods), weights, eta_min)]
        return model

    return make


def draws():
    return random.random(), np.random.random(), torch.rand(1).item()


def resumed(model, tmp_path):
    model.resume_training(torch.load(tmp_path / "4.state"))
    return model


def test_best_scores_are_kept(model, tmp_path):
    first = model()
    first.best_metric_results = {"Set5": {"psnr": {"better": "higher", "val": np.float64(31.5), "iter": 2}}}
    first.save_training_state(0, 4)
    again = resumed(model(), tmp_path)
    assert again.best_metric_results == {"Set5": {"psnr": {"better": "higher", "val": 31.5, "iter": 2}}}


def test_random_numbers_go_on(model, tmp_path):
    first = model()
    first.save_training_state(0, 4)
    expected = draws()
    again = resumed(model(), tmp_path)
    draws()  # what making the loaders takes
    again.update_learning_rate(5)
    assert draws() == expected
    after = draws()
    again.update_learning_rate(6)
    assert draws() != expected
    assert after != expected


def test_random_state_survives_the_safe_loader(tmp_path):
    torch.save(random_state(), tmp_path / "r.pt")
    expected = draws()
    set_random_state(torch.load(tmp_path / "r.pt", weights_only=True))
    assert draws() == expected


def test_learning_rate_goes_on(model, tmp_path):
    first = model()
    for iteration in range(1, 5):
        first.update_learning_rate(iteration)
    first.save_training_state(0, 4)
    first.update_learning_rate(5)
    again = resumed(model(), tmp_path)
    again.update_learning_rate(5)
    assert again.get_current_learning_rate() == first.get_current_learning_rate()


def test_a_longer_schedule_of_the_option_file_counts(model, tmp_path):
    first = model(periods=(10,))
    for iteration in range(1, 5):
        first.update_learning_rate(iteration)
    first.save_training_state(0, 4)
    again, whole = resumed(model(periods=(20,)), tmp_path), model(periods=(20,))
    for iteration in range(1, 13):
        whole.update_learning_rate(iteration)
        if iteration > 4:
            again.update_learning_rate(iteration)
    assert again.get_current_learning_rate() == whole.get_current_learning_rate()


def test_the_end_of_a_run_has_no_state(model, tmp_path):
    model().save_training_state(0, -1)
    assert not list(tmp_path.iterdir())


def test_a_state_of_plain_basicsr_still_resumes(model):
    first = model()
    state = {"epoch": 0, "iter": 4, "optimizers": [first.optimizers[0].state_dict()]}
    again = model()
    again.resume_training({**state, "schedulers": [first.schedulers[0].state_dict()]})
    again.update_learning_rate(5)
    assert not hasattr(again, "best_metric_results")
