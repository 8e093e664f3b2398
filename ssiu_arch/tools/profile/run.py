"""Measure candidates at every size and batch."""

from dataclasses import dataclass
from functools import partial

import torch
from tqdm import tqdm

from ssiu_arch.checks.finding import located
from ssiu_arch.tools.profile.candidates import Candidate, Prepared, Size
from ssiu_arch.tools.profile.measures import OUT_OF_MEMORY, multiply_adds, peak_memory
from ssiu_arch.utils.memory import is_out_of_memory
from ssiu_arch.utils.timing import Work, in_turns


@dataclass(frozen=True)
class Plan:
    """What to measure, where, and how often."""

    candidates: list[Candidate]  # in the order of their turns
    upscale: int  # the scale
    sizes: list[Size]  # LR height and width
    batch: int  # images at a time
    device: torch.device
    threads: int  # of the CPU
    runs: int  # rounds that count; 0 leaves latency out
    warmup: int  # rounds before them
    with_memory: bool  # whether to measure memory
    psnr: dict[str, float]  # in dB by candidate, as far as known
    psnr_set: str  # the data set of that PSNR

    @property
    def baseline(self) -> str:
        """Name of the candidate that ratios refer to: ``eager``, or else the first."""
        return next((each.name for each in self.candidates if each.name == "eager"), self.candidates[0].name)


@dataclass
class Row:
    """What was measured of one candidate at one size and batch: a line of the CSV file; None where unknown."""

    candidate: str
    arch: str
    precision: str
    height: int  # of the LR images
    width: int
    batch: int  # images at a time
    parameters: int
    macs: int  # multiply-adds of the batch
    psnr: float | None = None  # published, dB
    latency_s: float | None = None  # median of the batch, in seconds
    latency_25_s: float | None = None  # quartiles
    latency_75_s: float | None = None
    latency_ratio: float | None = None  # to the baseline, round by round
    images_per_s: float | None = None
    memory_bytes: int | None = None  # peak of one forward
    memory_ratio: float | None = None  # to the baseline
    note: str = ""  # why latency or memory is unknown

    def __str__(self) -> str:
        return f"{self.candidate}, {self.height}x{self.width}, batch {self.batch}"


def measure(plan: Plan) -> list[list[Row]]:
    """The rows of each size, in the order of the candidates.

    Raises:
        UserError: a candidate cannot run. Running out of memory is a result, not an error.
    """
    torch.set_num_threads(plan.threads)
    cases = [[_counted(plan, candidate, size) for candidate in plan.candidates] for size in plan.sizes]
    if plan.with_memory:
        for rows in cases:
            _fill_memory(plan, rows)
    if plan.runs:
        ready = [Prepared(candidate, plan.device) for candidate in plan.candidates]
        for rows in cases:
            _fill_latency(plan, rows, ready)
    return cases


def _counted(plan: Plan, candidate: Candidate, size: Size) -> Row:
    """A row with parameters, multiply-adds and PSNR."""
    net = candidate.build()
    with located(candidate.name):
        macs = multiply_adds(net, (plan.batch, candidate.channels, *size))
    parameters = sum(parameter.numel() for parameter in net.parameters())
    name, psnr = candidate.name, plan.psnr.get(candidate.name)
    return Row(name, candidate.arch, candidate.precision, *size, plan.batch, parameters, macs, psnr)


def _fill_memory(plan: Plan, rows: list[Row]) -> None:
    pairs = list(zip(plan.candidates, rows, strict=True))
    for candidate, row in tqdm(pairs, "peak memory", leave=False, disable=None):
        peak = peak_memory(candidate, plan.device, (row.height, row.width), row.batch, plan.threads)
        if isinstance(peak, int):
            row.memory_bytes = peak
        else:
            row.note = f"memory: {peak}"
    base = next(row.memory_bytes for row in rows if row.candidate == plan.baseline)
    for row in rows:
        if row.memory_bytes is not None and base:
            row.memory_ratio = row.memory_bytes / base


def _fill_latency(plan: Plan, rows: list[Row], ready: list[Prepared]) -> None:
    torch.compiler.reset()  # each size is compiled for itself
    works: dict[str, Work] = {}
    for row, prepared in zip(rows, ready, strict=True):
        work = partial(prepared, prepared.input((row.height, row.width), row.batch))
        if OUT_OF_MEMORY not in row.note and _runs(work, row):
            works[row.candidate] = work
    what = f"latency, {rows[0].height}x{rows[0].width}"
    with tqdm(total=len(works) * (plan.warmup + plan.runs), desc=what, leave=False, disable=None) as bar:
        measured = in_turns(works, plan.runs, plan.warmup, lambda name: bar.update())
    base = measured.get(plan.baseline)
    for row in rows:
        if latency := measured.get(row.candidate):
            row.latency_s, row.images_per_s = latency.median, row.batch / latency.median
            row.latency_25_s, row.latency_75_s = latency.quartiles
            row.latency_ratio = latency.relative_to(base) if base else None


def _runs(work: Work, row: Row) -> bool:
    """Run once, compiling if the candidate does; out of memory gives False and a note."""
    with located(f"{row}: cannot run"):
        try:
            work()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            torch.cuda.empty_cache()
            row.note = f"latency: {OUT_OF_MEMORY}"
            return False
    return True
