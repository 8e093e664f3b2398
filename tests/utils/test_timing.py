"""Turns and ratios, by a clock that is no clock."""

from ssiu_arch.utils import timing
from ssiu_arch.utils.timing import Latency, in_turns, seconds_of


def test_works_take_turns_and_warm_up_does_not_count(monkeypatch):
    order, told, time = [], [], iter(range(100))
    works = {name: lambda name=name: order.append(name) for name in "abc"}

    def stopwatch(work):
        work()
        return next(time)

    monkeypatch.setattr(timing, "seconds_of", stopwatch)
    found = in_turns(works, runs=2, warmup=1, tick=told.append)
    assert "".join(order) == "".join(told) == "abcabcabc"
    assert {name: latency.seconds for name, latency in found.items()} == {"a": [3, 6], "b": [4, 7], "c": [5, 8]}


def test_ratios_are_those_of_a_round():
    """The machine slows down from round to round: the ratio of the medians, 2, would compare different rounds."""
    baseline, other = Latency([1.0, 1.0, 4.0]), Latency([2.0, 1.0, 3.0])  # 2, 1 and 3/4 times as long
    assert other.relative_to(baseline) == 1.0
    assert other.median / baseline.median == 2.0


def test_median_and_quartiles():
    latency = Latency([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (latency.median, latency.quartiles) == (3.0, (2.0, 4.0))
    assert Latency([7.0]).quartiles == (7.0, 7.0)


def test_the_host_clock_waits_for_the_work():
    done = []
    assert seconds_of(lambda: done.append(1)) > 0
    assert done == [1]
