"""A whole run: numbers that are put together rightly, what fails, tables and files."""

import csv
import io

import pytest
import torch

from ssiu_arch.tools.profile import memory, report, run
from ssiu_arch.tools.profile.latency import Latency
from ssiu_arch.tools.profile.resident import Peak
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.progress import Progress

PRODUCTS = {"torch.mm": 0.1, "ssiu_arch.inference.product": 0.05}  # seconds


@pytest.fixture
def clocked(monkeypatch):
    """A clock by which each run of a round's n-th work takes n seconds, and matrix products ``PRODUCTS``, always."""
    monkeypatch.setattr(run, "by_host_clock", lambda work: (work(), 0.1)[1])  # which sizes the products

    def in_turns(works, runs, warmup, stopwatch, tick):
        for name, work in works.items():
            tick(name)
            work()
        times = {name: PRODUCTS.get(name.rpartition(", by ")[2], n) for n, name in enumerate(works, 1)}
        return {name: Latency([float(seconds)] * runs) for name, seconds in times.items()}

    monkeypatch.setattr(run, "in_turns", in_turns)
    peaks = iter(range(1, 100))
    monkeypatch.setattr(memory, "in_fresh_process", lambda *args: Peak(next(peaks) * 10**6))


@pytest.fixture
def profile(clocked, plan, tiny):
    names = (f"eager:{tiny}", f"plain:{tiny}+bf16")
    return run.measure(plan(*names, sizes=[(16, 16), (16, 32)], batches=[1, 3], with_memory=True))


def test_ratios_throughput_and_share(profile):
    first, second = profile.case((16, 16), 3)
    assert (first.slowdown, second.slowdown) == (1.0, 2.0)
    assert (first.images_per_second, second.images_per_second) == (3.0, 1.5)
    assert second.share == pytest.approx(2 * second.macs / 2.0 / (2 * 256**3 / 0.05))
    assert [row.peak.bytes for row in profile.rows] == [n * 10**6 for n in range(1, 9)]


@pytest.mark.parametrize("by", ["torch.mm", "ssiu_arch.inference.product"])
def test_the_peak_is_that_of_the_better_products(clocked, plan, tiny, monkeypatch, by):
    monkeypatch.setitem(PRODUCTS, by, 0.01)
    found = run.measure(plan(f"eager:{tiny}", f"eager:{tiny}+bf16"))
    rate = run.Rate(pytest.approx(2 * 256**3 / 0.01), 256, by)
    assert found.rates == {"fp32": rate, "bf16": rate}
    said = [fact for name, fact in report.facts(found) if name == "peak"]
    assert [line.partition(" GFLOP/s in products of 256x256 matrices by ")[2] for line in said] == 2 * [
        f"{by}, the better of torch.mm and ssiu_arch.inference.product, in the same rounds"
    ]


def test_multiply_adds_are_those_of_the_batch(profile):
    one, three, wide = (profile.case(*case)[0].macs for case in [((16, 16), 1), ((16, 16), 3), ((16, 32), 1)])
    assert three == 3 * one
    assert wide == 2 * one


def test_tables(profile):
    tables = report.tables(profile)
    assert [table.title.partition(";")[0] for table in tables] == [
        "LR 16x16 (height x width), batch 1",
        "LR 16x16 (height x width), batch 3",
        "LR 16x32 (height x width), batch 1",
        "LR 16x32 (height x width), batch 3",
        "Growth: nanoseconds for an LR pixel, batch 1",
        "Growth: bytes of memory for an LR pixel, batch 1",
        "Growth: nanoseconds for an LR pixel, batch 3",
        "Growth: bytes of memory for an LR pixel, batch 3",
        "Throughput: images/s by batch, LR 16x16",
        "Throughput: images/s by batch, LR 16x32",
    ]
    name, cells = tables[1].rows[1]
    found = dict(zip(tables[1].columns, cells, strict=True))
    assert name == "plain:num_feat=8,num_block=3+bf16"
    assert (found["ms"], found["25-75 %"], found["ms ratio"]) == ("2,000", "2,000 to 2,000", "2.000")
    assert (found["images/s"], found["MB"], found["MB ratio"]) == ("1.5", "4", "1.333")
    assert tables[5].rows[0][1] == [f"{1e6 / 256:,.0f}", f"{5e6 / 512:,.0f}"]
    assert tables[8].rows[0][1] == ["1", "3"]


def test_csv_has_all_digits(profile, tmp_path):
    report.write_csv(tmp_path / "cost.csv", profile)
    records = list(csv.DictReader((tmp_path / "cost.csv").open()))
    assert len(records) == 8
    last = records[-1]
    assert [last[key] for key in ("precision", "form", "height", "width", "batch")] == [
        "bf16",
        "plain",
        "16",
        "32",
        "3",
    ]
    assert float(last["latency_s"]) == 2.0
    assert float(last["memory_bytes"]) == 8e6
    assert int(last["macs"]) == profile.rows[-1].macs
    assert (last["baseline"], last["failure"]) == ("eager:num_feat=8,num_block=3", "")


def test_markdown_says_what_the_columns_are(profile):
    text = report.markdown(profile)
    for column in report.tables(profile)[0].columns:
        assert f"| {column}" in text.partition("| column |")[2] or f", {column} |" in text
    assert "- machine: " in text


def test_a_candidate_without_memory_leaves_its_row_and_the_others_go_on(clocked, plan, tiny, monkeypatch):
    out = iter([Peak(None, memory.OUT_OF_MEMORY), Peak(5 * 10**6)])
    monkeypatch.setattr(memory, "in_fresh_process", lambda *args: next(out))
    found = run.measure(plan(f"eager:{tiny}", f"plain:{tiny}", with_memory=True))
    first, second = found.rows
    assert (first.latency, second.latency) == (None, Latency([1.0, 1.0]))
    assert second.slowdown is None  # there is no baseline
    assert report.tables(found)[0].rows[0][1][2:] == ["-"] * 7
    said = [fact for name, fact in report.facts(found) if name == "not measured"]
    assert said == [f"latency of eager:{tiny}, 16x24, batch 1: out of memory"]


def test_memory_that_cannot_be_told_is_explained(clocked, plan, tiny, monkeypatch):
    monkeypatch.setattr(memory, "in_fresh_process", lambda *args: Peak(None, "below an earlier peak"))
    found = run.measure(plan(f"eager:{tiny}", with_memory=True))
    assert found.rows[0].latency
    assert ("not measured", f"memory of eager:{tiny}, 16x24, batch 1: below an earlier peak") in report.facts(found)


def test_memory_that_runs_out_in_a_run_is_no_error(clocked, plan, tiny, monkeypatch):
    def fail(self, x):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr("ssiu_arch.tools.profile.plain.PlainSSIU.forward", fail)
    found = run.measure(plan(f"eager:{tiny}", f"plain:{tiny}"))
    assert [row.failure for row in found.rows] == ["", "out of memory"]
    assert found.rows[0].latency


def test_other_errors_of_a_run_end_it(clocked, plan, tiny, monkeypatch):
    def fail(self, x):
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr("ssiu_arch.tools.profile.plain.PlainSSIU.forward", fail)
    with pytest.raises(UserError, match=r"^plain:.*, 16x24, batch 1: cannot run: no kernel for this$"):
        run.measure(plan(f"plain:{tiny}"))


@pytest.mark.parametrize("fails", [False, True])
def test_steps_are_counted_to_the_end(clocked, plan, tiny, monkeypatch, fails):
    made = []
    if fails:
        monkeypatch.setattr(memory, "in_fresh_process", lambda *args: Peak(None, memory.OUT_OF_MEMORY))
    monkeypatch.setattr(run, "Progress", lambda total: made.append(Progress(total, io.StringIO())) or made[-1])
    said = []
    monkeypatch.setattr(Progress, "step", lambda self, what, step=Progress.step: said.append(what) or step(self, what))
    run.measure(plan(f"eager:{tiny}", f"plain:{tiny}", batches=[1, 2], runs=1, with_memory=True))
    left_out = 2 * 2 if fails else 0  # the clock of these tests goes through one round, without warm-up
    assert made[0].total == 2 + 4 + 2 * (2 + 4)
    assert made[0].done == made[0].total
    assert sum("latency of" in step for step in said) == 2 * 4 - left_out


def test_progress_elsewhere_than_on_a_terminal_is_a_line_now_and_then():
    said, time = io.StringIO(), iter([0.0, 1.0, 6.0, 6.0, 7.0, 20.0, 20.0])
    progress = Progress(4, said, lambda: next(time))
    for what in "abcd":
        progress.step(what)
    progress.end()
    assert said.getvalue() == "[2/4] b\n[4/4] d\n"
