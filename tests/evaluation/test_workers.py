"""Scores computed beside the network: the same sums, and nothing lost on the way."""

import threading
import time

import numpy as np
import pytest

from ssiu_arch.evaluation.workers import QUEUED, Pending, Workers, default_workers


def as_basicsr_adds(scores):
    total = 0
    for score in scores:
        total += score
    return total / len(scores)


def test_pending_sum_is_the_plain_one_to_the_last_digit():
    values = [np.float64(value) for value in 10 ** np.random.default_rng(0).uniform(-8, 8, 200)]
    pending = as_basicsr_adds([Pending(0, lambda value=value: value) for value in values])
    assert pending == as_basicsr_adds(values)
    assert pending != np.sum(values) / len(values)  # another order of summation tells


def test_pending_waits_only_when_it_is_divided():
    gate = threading.Event()
    with Workers(1) as workers:
        future = workers.submit(gate.wait, 5)
        total = 0
        total += Pending(0, lambda: float(future.result()))
        assert not future.done()
        gate.set()
        assert total / 2 == 0.5


def test_two_workers_work_at_a_time():
    both_here = threading.Barrier(2, timeout=10)
    with Workers(2) as workers:
        futures = [workers.submit(both_here.wait) for _ in range(2)]
        assert sorted(future.result() for future in futures) == [0, 1]


def test_the_network_waits_when_workers_are_far_behind():
    gate, submitted = threading.Event(), []

    def submit_all():
        with Workers(1) as workers:
            for n in range(QUEUED + 3):
                workers.submit(gate.wait, 5)
                submitted.append(n)

    thread = threading.Thread(target=submit_all)
    thread.start()
    deadline = time.monotonic() + 10
    while len(submitted) < QUEUED and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    before = len(submitted)
    gate.set()
    thread.join(10)
    assert (before, len(submitted)) == (QUEUED, QUEUED + 3)


def test_no_workers_compute_in_place():
    with Workers(0) as workers:
        assert workers.submit(threading.current_thread).result() is threading.current_thread()
        with pytest.raises(ZeroDivisionError):
            workers.submit(lambda: 1 / 0)


def test_a_failure_stops_what_comes_after():
    with Workers(1) as workers:
        failed = workers.submit(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            failed.result()
        time.sleep(0.05)  # for the worker to tell, after the result is there
        with pytest.raises(ZeroDivisionError):
            workers.submit(int)


def test_an_exception_outside_drops_what_waits():
    gate, ran = threading.Event(), []
    workers = Workers(1)

    def interrupted():
        workers.submit(gate.wait, 5)
        workers.submit(ran.append, 1)
        threading.Timer(0.05, gate.set).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), workers:
        interrupted()
    assert not ran


def test_default_is_moderate():
    assert 1 <= default_workers() <= 4
