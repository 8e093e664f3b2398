"""A training in a process of its own: timed and stopped."""

import os

import pytest

from benchmarks.train_weights import training
from benchmarks.train_weights.training import pace, train
from ssiu_arch.data import script
from ssiu_arch.utils.errors import UserError


def test_the_pace_of_a_trial():
    found = pace({50: 130.0, 100: 140.0, 150: 150.0, 200: 160.0}, began=20.0, ended=167.0, iterations=200)
    assert found.rate == 5
    assert found.start == 100  # the first of 50 iterations began at 120
    assert found.validation == 7


@pytest.mark.parametrize("logged", [{}, {200: 1.0}, {50: 1.0, 100: 2.0}])
def test_a_trial_that_was_cut_short(logged):
    with pytest.raises(UserError, match="the trial of 200 iterations was cut short"):
        pace(logged, 0.0, 10.0, 200)


def test_no_time(tmp_path):
    with pytest.raises(UserError, match="no time is left to train in; give it more --minutes"):
        train(tmp_path / "options.yml", resume=True, seconds=0)


def test_a_failure_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"options.yml: ended with exit code 2, see above; nothing was shipped"):
        train(tmp_path / "options.yml", resume=True, seconds=60)
    assert "basicsr train: " in capsys.readouterr().out


def test_a_training_has_the_threads_that_the_user_gave_it_not_the_one_of_the_script(tmp_path, monkeypatch):
    for name in script.OURS:
        monkeypatch.setenv(name, "3")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(script, "_set_by_us", set())
    given = []

    def start(command, *, env, **options):
        given.append(({**os.environ}, env))
        raise KeyboardInterrupt

    monkeypatch.setattr(training.subprocess, "Popen", start)
    with pytest.raises(SystemExit):
        script.run(lambda: train(tmp_path / "options.yml", resume=False))
    ((of_script, of_training),) = given
    assert (of_script["OMP_NUM_THREADS"], of_script["OPENBLAS_NUM_THREADS"]) == ("1", "3")
    assert "OMP_NUM_THREADS" not in of_training
    assert of_training["OPENBLAS_NUM_THREADS"] == "3"
    assert of_training["PATH"] == os.environ["PATH"]
