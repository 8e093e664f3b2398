"""The arithmetic of a stint: what fits into its time, and what it is trained by."""

from pathlib import Path

import pytest
import yaml

from benchmarks.train_weights import plan as plans
from benchmarks.train_weights.plan import Pace, Plan, guess, rounded, schedule
from ssiu_arch.utils.errors import UserError

RECIPE = Path(__file__).parents[2] / "options/shipped/train_SSIU_x4.yml"


def test_the_iterations_fill_the_time_that_starts_validations_and_the_end_leave():
    pace = Pace(rate=20.0, start=40.0, validation=8.0)
    seconds = 3 * (9 * 60 - 40 - plans.LEAVING) - 100 - plans.ENDING - 10 * 8
    planned = schedule(pace, 9, 3, spent=100)
    assert planned.iterations == pytest.approx(0.95 * 20 * seconds, rel=0.01)
    assert planned.iterations <= 0.95 * 20 * seconds
    assert schedule(pace, 9, 2, spent=100).iterations < planned.iterations
    assert schedule(pace, 9, 3, spent=200).iterations < planned.iterations


def test_a_stint_as_predicted_ends_within_its_time():
    """Its parts, one after the other, on a machine that is 4 % slower than it was in the trial."""
    pace = Pace(rate=20.0, start=40.0, validation=8.0)
    left = schedule(pace, 9, 3, spent=100).iterations / (pace.rate * 0.96) + 10 * pace.validation
    for number in range(3):
        last = number == 2
        available = 9 * 60 - (100 if number == 0 else 0) - pace.start - (plans.ENDING if last else plans.LEAVING)
        left -= available
    assert left <= 0


def test_too_little_time_is_said_with_what_is_needed():
    with pytest.raises(UserError, match=r"--minutes 2 --segments 1: starts, validations and the end take 155 s, which"):
        schedule(Pace(20.0, 60.0, 20.0), 2, 1, spent=0)


def test_more_validations_than_one_take_no_more_than_a_tenth_of_the_time():
    """Those of large results would take more than half of it; states are saved as often all the same."""
    planned = schedule(Pace(rate=4.0, start=5.0, validation=47.0), 14, 1, spent=60)
    assert planned.validated == planned.iterations
    seconds = 14 * 60 - 5 - plans.LEAVING - 60 - plans.ENDING - 47
    assert planned.iterations == pytest.approx(0.95 * 4 * seconds, rel=0.1)
    assert planned.iterations // planned.saved == 10
    counts = []
    for seconds in (5, 15, 40, 80, 300):
        planned = schedule(Pace(rate=4.0, start=5.0, validation=seconds), 14, 1, spent=60)
        counts.append(planned.iterations // planned.validated)
    assert counts == [10, 5, 2, 1, 1]


@pytest.mark.parametrize("validations", [1, 2, 5, 10])
@pytest.mark.parametrize("count", [1, 9, 10, 19, 30, 99, 100, 199, 250, 12_345, 1_000_500])
def test_the_last_iteration_is_logged_saved_and_validated(count, validations):
    planned = rounded(count, validations)
    assert 0 <= count - planned.iterations <= max(1, count / 10)
    for each, others in ((planned.iterations, planned.validated), (planned.validated, planned.saved)):
        assert each % others == 0
    assert planned.saved % planned.logged == 0
    assert planned.iterations // planned.saved <= 19
    if count > 19:
        assert validations <= planned.iterations // planned.validated <= validations * 1.2


def test_the_guess_rises_from_bicubic_to_the_papers_score():
    assert guess(4, 1) == pytest.approx(28.431)
    assert guess(4, 1_000_500) == guess(4, 10**7) == 32.64
    assert guess(2, 1_000_500) == 38.31
    values = [guess(4, n) for n in (1, 10, 1000, 3000, 20_000, 500_000, 1_000_500)]
    assert values == sorted(values)
    assert guess(4, 1000) == pytest.approx(28.431 + 0.35 * (32.64 - 28.431))


@pytest.fixture
def recipe():
    return yaml.safe_load(RECIPE.read_text())


def test_the_option_file_of_a_stint(recipe, plan):
    opt = plans.planned(recipe, plan, own_scale=True)
    assert opt["train"]["total_iter"] == 30
    assert opt["train"]["scheduler"]["periods"] == [30]
    assert opt["train"]["warmup_iter"] == 1
    assert opt["train"]["optim_g"]["lr"] == 1e-3
    assert opt["path"] == {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None}
    assert (opt["val"]["val_freq"], opt["logger"]["save_checkpoint_freq"], opt["logger"]["print_freq"]) == (10, 5, 1)
    assert recipe["train"]["total_iter"] == 20_000
    changed = ("train", "path", "val", "logger")
    assert {k: v for k, v in opt.items() if k not in changed} == {k: v for k, v in recipe.items() if k not in changed}


@pytest.mark.parametrize("own", [True, False])
def test_it_starts_from_the_moving_average_and_from_another_scales_without_its_tail(recipe, plan, own):
    plan.start = "ship/SSIU_x4.pth"
    path = plans.planned(recipe, plan, own)["path"]
    assert path["pretrain_network_g"] == "ship/SSIU_x4.pth"
    assert (path["param_key_g"], path["strict_load_g"]) == ("params_ema", own)


def test_warm_up_is_a_fiftieth_up_to_its_longest(recipe, plan):
    for iterations, expected in {5_000: 100, 100_000: 500}.items():
        plan.schedule["iterations"] = iterations
        assert plans.planned(recipe, plan, own_scale=True)["train"]["warmup_iter"] == expected


def test_the_trial_is_the_recipe_but_short(recipe):
    opt = plans.for_trial(recipe, 200)
    assert opt["name"] == "stint_SSIU_x4_trial"
    assert opt["train"]["total_iter"] == opt["val"]["val_freq"] == 200
    assert opt["logger"]["print_freq"] == 50
    assert {k: opt["train"][k] for k in ("precision", "compile", "channels_last")} == {
        "precision": "bf16",
        "compile": True,
        "channels_last": True,
    }
    assert opt["datasets"] == recipe["datasets"]


def test_a_plan_is_kept(plan, tmp_path):
    plan.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == plan
    assert Plan.read(tmp_path / "none.json") is None
    (tmp_path / "plan.json").write_text('{"scale": 4}')
    with pytest.raises(UserError, match="is no plan of a stint; move it"):
        Plan.read(tmp_path / "plan.json")
