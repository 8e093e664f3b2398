import random

import numpy as np
import pytest
import torch
from basicsr.models import lr_scheduler
from basicsr.models.base_model import BaseModel

from ssiu_arch.patches.states import random_state, set_random_state
from ssiu_arch.utils.errors import UserError


@pytest.fixture
def model(tmp_path):
    def make(periods=(10,), lr=1.0, warmup=-1, milestones=None, kind=torch.optim.Adam, metrics=("psnr",), **options):
        opt = {"num_gpu": 0, "is_train": True, "path": {"training_states": str(tmp_path)}}
        opt["train"] = {"total_iter": 100, "warmup_iter": warmup}
        opt["val"] = {"metrics": {metric: {} for metric in metrics}}
        model = BaseModel(opt)
        model.optimizers = [kind([torch.nn.Parameter(torch.ones(2))], lr, **options)]
        if milestones:
            scheduler = lr_scheduler.MultiStepRestartLR(model.optimizers[0], milestones, gamma=0.5)
        else:
            scheduler = lr_scheduler.CosineAnnealingRestartLR(model.optimizers[0], list(periods), [1] * len(periods))
        model.schedulers = [scheduler]
        return model

    return make


def run(model, last, first=1):
    """The learning rate of every iteration."""
    rates = []
    for iteration in range(first, last + 1):
        model.update_learning_rate(iteration, model.opt["train"]["warmup_iter"])
        rates += model.get_current_learning_rate()
    return rates


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


def test_a_new_metric_begins_and_the_others_go_on(model, tmp_path):
    first = model()
    first.best_metric_results = {"Set5": {"psnr": {"better": "higher", "val": 31.5, "iter": 2}}}
    first.save_training_state(0, 4)
    best = resumed(model(metrics=("psnr", "ssim")), tmp_path).best_metric_results["Set5"]
    assert best["psnr"] == {"better": "higher", "val": 31.5, "iter": 2}
    assert best["ssim"]["iter"] == -1


SCHEDULES = [
    {},
    {"warmup": 7},
    {"milestones": [3, 8]},
    {"milestones": [3, 6, 8], "warmup": 5},  # a schedule of steps goes on from the last rate of the warm-up
    {"periods": (20,), "lr": 0.1},
    {"periods": (3, 20), "warmup": 2},
]


@pytest.mark.parametrize("old", SCHEDULES[:4], ids=str)
@pytest.mark.parametrize("new", SCHEDULES, ids=str)
def test_the_rate_of_every_iteration_is_what_the_option_file_says(model, tmp_path, old, new):
    first = model(**old)
    run(first, 4)
    first.save_training_state(0, 4)
    assert run(resumed(model(**new), tmp_path), 10, first=5) == run(model(**new), 10)[4:]


def test_the_optimisers_options_are_the_option_files_and_its_moments_the_states(model, tmp_path):
    first = model(betas=(0.5, 0.6), weight_decay=0.1)
    first.optimizers[0].param_groups[0]["params"][0].grad = torch.ones(2)
    first.optimizers[0].step()
    first.save_training_state(0, 4)
    again = resumed(model(betas=(0.8, 0.9), eps=1e-3), tmp_path).optimizers[0]
    group = again.param_groups[0]
    assert (group["betas"], group["weight_decay"], group["eps"]) == ((0.8, 0.9), 0, 1e-3)
    assert again.state[group["params"][0]]["exp_avg"].tolist() == pytest.approx([0.55, 0.55])


def test_another_optimiser_is_refused(model, tmp_path):
    model().save_training_state(0, 4)
    with pytest.raises(UserError, match="SGD"):
        resumed(model(kind=torch.optim.SGD), tmp_path)


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
