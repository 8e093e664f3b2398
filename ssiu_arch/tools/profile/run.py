"""Measure candidates at every size and batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from tqdm import tqdm

from ssiu_arch.tools.profile import memory
from ssiu_arch.tools.profile.candidates import Candidate, Prepared, Size, prefixed
from ssiu_arch.tools.profile.latency import Latency, Stopwatch, Work, by_device_events, by_host_clock, in_turns
from ssiu_arch.tools.profile.macs import multiply_adds
from ssiu_arch.tools.profile.memory import OUT_OF_MEMORY, Peak
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import is_out_of_memory


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        candidates: in the order of their turns.
        baseline: name of the one that ratios refer to.
        upscale: scale.
        sizes: LR height and width.
        batches: images at a time.
        device: where.
        threads: of the CPU.
        runs: rounds that count; 0 leaves latency out.
        warmup: rounds before them.
        with_memory: whether to measure memory.
        psnr: PSNR in dB by candidate, as far as known.
        psnr_set: the data set of that PSNR.
    """

    candidates: list[Candidate]
    baseline: str
    upscale: int
    sizes: list[Size]
    batches: list[int]
    device: torch.device
    threads: int
    runs: int
    warmup: int
    with_memory: bool
    psnr: dict[str, float]
    psnr_set: str


@dataclass
class Row:
    """What was measured of one candidate at one size and batch.

    Attributes:
        candidate: which.
        size: LR height and width.
        batch: images at a time.
        parameters: of the network.
        macs: multiply-adds of the batch.
        latency: of the batch.
        latency_ratio: to the baseline, round by round.
        peak: memory of the forward.
        memory_ratio: to the baseline.
        failure: why there is no latency.
    """

    candidate: Candidate
    size: Size
    batch: int
    parameters: int
    macs: int
    latency: Latency | None = None
    latency_ratio: float | None = None
    peak: Peak | None = None
    memory_ratio: float | None = None
    failure: str = ""

    def __str__(self) -> str:
        return f"{self.candidate.name}, {self.size[0]}x{self.size[1]}, batch {self.batch}"


def measure(plan: Plan) -> list[list[Row]]:
    """The rows of each case, every size with every batch, in the order of the candidates.

    Raises:
        UserError: a candidate cannot run. Running out of memory is a result, not an error.
    """
    torch.set_num_threads(plan.threads)
    counted = [list(_count(plan, size)) for size in plan.sizes]
    cases = [
        [Row(candidate, size, batch, parameters, batch * macs) for candidate, parameters, macs in counts]
        for size, counts in zip(plan.sizes, counted, strict=True)
        for batch in plan.batches
    ]
    if plan.with_memory:
        for row in tqdm([row for rows in cases for row in rows], "peak memory", leave=False, disable=None):
            row.peak = memory.in_fresh_process(row.candidate, str(plan.device), row.size, row.batch, plan.threads)
            if row.peak.note.startswith(OUT_OF_MEMORY):
                row.failure = row.peak.note
    if plan.runs:
        prepared = {candidate.name: Prepared(candidate, plan.device) for candidate in plan.candidates}
        for rows in cases:
            _time(plan, rows, prepared)
    for rows in cases:
        _compare(rows, next(row for row in rows if row.candidate.name == plan.baseline))
    return cases


def _count(plan: Plan, size: Size) -> Iterator[tuple[Candidate, int, int]]:
    """Each candidate with its parameters, and its multiply-adds for one image."""
    for candidate in plan.candidates:
        net = candidate.build()
        with prefixed(candidate.name):
            macs = multiply_adds(net, (1, candidate.channels, *size))
        yield candidate, sum(parameter.numel() for parameter in net.parameters()), macs


def _time(plan: Plan, rows: list[Row], prepared: dict[str, Prepared]) -> None:
    """Fill in the latencies of one size and batch."""
    stopwatch: Stopwatch = by_device_events if plan.device.type == "cuda" else by_host_clock
    torch.compiler.reset()  # each size is compiled for itself
    works: dict[str, Work] = {}
    for row in rows:
        ready = prepared[row.candidate.name]
        work = partial(ready, ready.input(row.size, row.batch))
        row.failure = row.failure or _first_run(work, row)
        if not row.failure:
            works[row.candidate.name] = work
    with tqdm(total=len(works) * (plan.warmup + plan.runs), leave=False, disable=None) as bar:

        def tick(name: str) -> None:
            bar.set_description(f"latency of {name}, {rows[0].size[0]}x{rows[0].size[1]}", refresh=False)
            bar.update()

        measured = in_turns(works, plan.runs, plan.warmup, stopwatch, tick)
    for row in rows:
        row.latency = measured.get(row.candidate.name)


def _first_run(work: Work, row: Row) -> str:
    """Run once, compiling if the candidate does. Returns why it cannot be timed: memory, or nothing."""
    try:
        work()
    except Exception as error:  # a network or a compiler may raise anything
        if is_out_of_memory(error):
            torch.cuda.empty_cache()
            return OUT_OF_MEMORY
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{row}: cannot run: {reason[:500]}") from error
    return ""


def _compare(rows: list[Row], base: Row) -> None:
    """Fill in the ratios to the baseline's row."""
    for row in rows:
        if row.latency and base.latency:
            row.latency_ratio = row.latency.relative_to(base.latency)
        if row.peak and row.peak.bytes is not None and base.peak and base.peak.bytes:
            row.memory_ratio = row.peak.bytes / base.peak.bytes
