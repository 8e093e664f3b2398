import logging
import re
import time

import pytest
from basicsr import train


@pytest.fixture
def log(caplog, monkeypatch):
    """The time left that is logged at an iteration, of 10, each of a second."""
    monkeypatch.setattr(logging.getLogger("basicsr"), "propagate", True)
    caplog.set_level(logging.INFO, "basicsr")

    def at(iteration, total=10):
        opt = {"name": "x", "logger": {"print_freq": 1, "use_tb_logger": False}, "train": {"total_iter": total}}
        logger = train.MessageLogger(opt, 1)
        logger.start_time = time.time() - iteration
        logger({"epoch": 0, "iter": iteration, "lrs": [0.1], "time": 1.0, "data_time": 0.0})
        return re.findall(r"eta: ([^\]]*), time", caplog.text)[-1]

    return at


def test_the_last_iteration_leaves_nothing(log):
    assert log(10) == "0:00:00"


def test_iterations_that_are_left_count(log):
    assert log(4) == "0:00:06"
    assert log(4, total=1e1) == "0:00:06"
