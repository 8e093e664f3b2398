"""A whole run: ratios, failures, tables and files."""

import csv
import io

import pytest
import torch

from ssiu_arch.inference import FusedSSIU
from ssiu_arch.tools.profile import report, run
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.timing import Latency


@pytest.fixture(autouse=True)
def clocked(monkeypatch):
    """A clock by which the n-th work of a round takes n seconds, and memory that grows by 1 MB each time."""

    def in_turns(works, runs, warmup, tick):
        for name, work in works.items():
            tick(name)
            work()
        return {name: Latency([float(n)] * runs) for n, name in enumerate(works, 1)}

    monkeypatch.setattr(run, "in_turns", in_turns)
    peaks = iter(range(1, 100))
    monkeypatch.setattr(run, "peak_memory", lambda *args: next(peaks) * 10**6)


@pytest.fixture(scope="module")
def measured():
    return {}


@pytest.fixture
def profile(plan, measured):
    """Plan and rows of two sizes, measured once."""
    if not measured:
        made = plan(sizes=[(16, 16), (16, 32)], batch=3, with_memory=True, psnr={"eager": 32.64})
        measured["profile"] = made, run.measure(made)
    return measured["profile"]


def test_cases_and_ratios(profile):
    cases = profile[1]
    assert [(rows[0].width, rows[0].batch) for rows in cases] == [(16, 3), (32, 3)]
    assert [row.candidate for row in cases[1]] == ["eager", "fused-bf16"]
    assert [row.latency_ratio for row in cases[1]] == [1.0, 2.0]
    assert [row.memory_ratio for row in cases[1]] == [1.0, 4 / 3]
    assert [row.memory_bytes for rows in cases for row in rows] == [n * 10**6 for n in range(1, 5)]


def test_multiply_adds_are_those_of_the_batch_and_the_network_itself(plan, profile):
    narrow, wide = profile[1]
    ((one, _),) = run.measure(plan(sizes=[(16, 16)], runs=0))
    assert narrow[0].macs == 3 * one.macs
    assert wide[0].macs == 2 * narrow[0].macs
    assert narrow[1].macs == narrow[0].macs  # of the optimised form, too


def test_the_table_of_a_case(profile):
    table = report.tables(*profile)[0]
    assert table.title.startswith("LR 16x16 (height x width), batch 3")
    assert "eager" in table.title
    found = dict(zip(table.columns, table.rows[1][1], strict=True))
    assert table.rows[1][0] == "fused-bf16"
    assert (found["ms"], found["25 %"], found["ms ratio"], found["images/s"]) == ("2,000", "2,000", "2.000", "1.5")
    assert (found["MB"], found["MB ratio"], found["PSNR (dB)"]) == ("2", "2.000", "-")
    assert table.rows[0][1][-1] == "32.64"


def test_columns_that_were_not_measured_are_left_out(plan):
    made = plan(runs=0)
    (table,) = report.tables(made, run.measure(made))
    assert table.columns == ["parameters", "G mult-adds"]


def test_csv_has_all_digits(profile):
    records = list(csv.DictReader(io.StringIO(report.csv_text(*profile))))
    assert len(records) == 4
    last = records[-1]
    assert [last[key] for key in ("candidate", "precision", "height", "width", "batch")] == [
        "fused-bf16", "bf16", "16", "32", "3",
    ]  # fmt: skip
    assert float(last["latency_s"]) == 2.0
    assert float(last["memory_bytes"]) == 4e6
    assert int(last["macs"]) == profile[1][-1][-1].macs
    assert (last["baseline"], last["note"], last["psnr"]) == ("eager", "", "")


def test_markdown_and_text_have_tables_and_facts(profile):
    for written in (report.text(*profile, markdown=True), report.text(*profile)):
        assert written.count("PSNR (dB)") == 2
        assert "machine" in written
        assert "2 rounds after 0" in written


def test_a_candidate_without_memory_leaves_its_row_and_the_others_go_on(plan, monkeypatch):
    peaks = iter([run.OUT_OF_MEMORY, 5 * 10**6])
    monkeypatch.setattr(run, "peak_memory", lambda *args: next(peaks))
    made = plan(with_memory=True)
    ((first, second),) = cases = run.measure(made)
    assert (first.latency_s, second.latency_s) == (None, 1.0)
    assert (second.latency_ratio, second.memory_ratio) == (None, None)  # there is no baseline
    assert set(report.tables(made, cases)[0].rows[0][1][2:]) == {"-"}
    assert "not measured  eager, 16x24, batch 1: memory: out of memory\n" in report.text(made, cases) + "\n"


def test_unknown_memory_is_explained(plan, monkeypatch):
    monkeypatch.setattr(run, "peak_memory", lambda *args: "this system does not tell it")
    made = plan(with_memory=True)
    cases = run.measure(made)
    assert cases[0][0].latency_s
    said = "not measured: eager, 16x24, batch 1: memory: this system does not tell it\n"
    assert said in report.text(made, cases, markdown=True)


def test_running_out_of_memory_in_a_run_is_no_error(plan, monkeypatch):
    def fail(self, x):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(FusedSSIU, "forward", fail)
    ((first, second),) = run.measure(plan())
    assert first.latency_s
    assert (second.latency_s, second.note) == (None, "latency: out of memory")


def test_other_errors_of_a_run_end_it(plan, monkeypatch):
    def fail(self, x):
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr(FusedSSIU, "forward", fail)
    with pytest.raises(UserError, match=r"^fused-bf16, 16x24, batch 1: .*no kernel for this$"):
        run.measure(plan())
