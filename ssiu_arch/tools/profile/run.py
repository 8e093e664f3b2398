"""Measure candidates over sizes and batches."""

import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch

from ssiu_arch.inference.precision import DTYPES, tf32
from ssiu_arch.tools.profile import memory
from ssiu_arch.tools.profile.candidates import Candidate, said_of
from ssiu_arch.tools.profile.forms import Prepared, Size, padded, use
from ssiu_arch.tools.profile.latency import Latency, MatrixProduct, Stopwatch, by_device_events, by_host_clock, in_turns
from ssiu_arch.tools.profile.macs import multiply_adds
from ssiu_arch.tools.profile.resident import Peak
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import is_out_of_memory
from ssiu_arch.utils.progress import Progress

PRODUCT = "matrix product, "  # and its precision and way: beside the candidates in each round


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        candidates: in the order of their turns.
        baseline: name of the one that ratios refer to.
        upscale: scale of the run.
        sizes: LR height and width.
        batches: images at a time.
        device: where.
        threads: of the CPU.
        runs: rounds that count; 0 leaves latency out.
        warmup: rounds before them.
        with_memory: whether to measure it.
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

    @property
    def cases(self) -> list[tuple[Size, int]]:
        """Every size with every batch."""
        return [(size, batch) for size in self.sizes for batch in self.batches]

    @property
    def precisions(self) -> list[str]:
        """Those of the candidates, each once."""
        return list(dict.fromkeys(candidate.precision for candidate in self.candidates))


@dataclass
class Row:
    """What was measured of one candidate at one size and batch.

    Attributes:
        candidate: which.
        size: LR height and width.
        batch: images at a time.
        parameters: numbers the network has learnt.
        macs: multiply-adds of the batch.
        latency: of the batch.
        slowdown: latency in units of the baseline's, round by round.
        peak: memory of the forward.
        share: of the machine's rate in matrix products of the same precision, 0 to 1.
        failure: why there is no latency.
    """

    candidate: Candidate
    size: Size
    batch: int
    parameters: int
    macs: int
    latency: Latency | None = None
    slowdown: float | None = None
    peak: Peak | None = None
    share: float | None = None
    failure: str = ""

    @property
    def images_per_second(self) -> float | None:
        """At the median latency."""
        return self.batch / self.latency.median if self.latency else None


class Rate(NamedTuple):
    """What the machine reaches in products of ``side`` x ``side`` matrices ``by`` one of ``MatrixProduct.WAYS``."""

    flop_per_s: float
    side: int
    by: str


@dataclass
class Profile:
    """A plan, its rows case by case, and the machine's rate in matrix products by precision: the best of all ways."""

    plan: Plan
    rows: list[Row] = field(default_factory=list)
    rates: dict[str, Rate] = field(default_factory=dict)

    def case(self, size: Size, batch: int) -> list[Row]:
        """The rows of a size and batch, in the order of the candidates."""
        return [row for row in self.rows if (row.size, row.batch) == (size, batch)]

    def row(self, candidate: str, size: Size, batch: int) -> Row:
        """One of them."""
        return next(row for row in self.case(size, batch) if row.candidate.name == candidate)


def measure(plan: Plan) -> Profile:
    """Count, then measure memory, then latency; progress goes to stderr.

    Raises:
        UserError: a candidate cannot be built, or does not take one of the sizes.
    """
    profile = Profile(plan)
    of_memory = len(plan.cases) * len(plan.candidates) if plan.with_memory else 0
    products = len(plan.precisions) * len(MatrixProduct.WAYS)
    turns = (len(plan.candidates) + products) * (plan.warmup + plan.runs)
    of_latency = len(plan.cases) * (len(plan.candidates) + turns) if plan.runs else 0
    progress = Progress(len(plan.candidates) + of_memory + of_latency)
    torch.set_num_threads(plan.threads)
    use(plan.device)
    try:
        _count(profile, progress)
        if plan.with_memory:
            _measure_memory(profile, progress)
        if plan.runs:
            _measure_latency(profile, progress)
    finally:
        progress.end()
    return profile


def machine(device: torch.device) -> str:
    """The name of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if (table := Path("/proc/cpuinfo")).exists():
        for line in table.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _count(profile: Profile, progress: Progress) -> None:
    plan = profile.plan
    counts: dict[tuple[str, Size], tuple[int, int]] = {}
    for candidate in plan.candidates:
        progress.step(f"multiply-adds of {candidate.name}")
        if candidate.form != "eager":
            Prepared(candidate, plan.device)  # fails now, if it does
        net = candidate.build()
        parameters = sum(parameter.numel() for parameter in net.parameters())
        net = padded(net, candidate.multiple)
        for size in plan.sizes:
            with said_of(candidate.name):
                counts[candidate.name, size] = parameters, multiply_adds(net, (1, candidate.channels, *size))
    for size, batch in plan.cases:
        for candidate in plan.candidates:
            parameters, macs = counts[candidate.name, size]
            profile.rows.append(Row(candidate, size, batch, parameters, batch * macs))


def _measure_memory(profile: Profile, progress: Progress) -> None:
    plan = profile.plan
    for row in profile.rows:
        progress.step(f"memory of {describe(row)}")
        device = str(plan.device)
        row.peak = memory.in_fresh_process(row.candidate, device, row.size, row.batch, plan.threads)
        if row.peak.note.startswith(memory.OUT_OF_MEMORY):
            row.failure = row.peak.note


def _measure_latency(profile: Profile, progress: Progress) -> None:
    plan = profile.plan
    stopwatch: Stopwatch = by_device_events if plan.device.type == "cuda" else by_host_clock
    products = [
        (precision, MatrixProduct(by, DTYPES[precision], plan.device, stopwatch))
        for precision in plan.precisions
        for by in MatrixProduct.WAYS
    ]
    prepared = {candidate.name: Prepared(candidate, plan.device) for candidate in plan.candidates}

    for size, batch in plan.cases:
        torch.compiler.reset()  # each size compiled for itself, however many there are
        rows = {row.candidate.name: row for row in profile.case(size, batch)}
        works: dict[str, Callable[[], object]] = {}
        for name, row in rows.items():
            progress.step(f"first run of {describe(row)}")
            if not row.failure:
                work = _work(prepared[name], size, batch)
                row.failure = _first_run(work, row)
                if not row.failure:
                    works[name] = work
        works |= {_name(*product): _product(*product) for product in products}
        progress.skip((len(rows) + len(products) - len(works)) * (plan.warmup + plan.runs))

        where = f"{text_of(size)}, batch {batch}"
        measured = in_turns(
            works,
            plan.runs,
            plan.warmup,
            stopwatch,
            lambda name, where=where: progress.step(f"latency of {name}, {where}"),  # type: ignore[misc]
        )
        baseline = measured.get(plan.baseline)
        for name, row in rows.items():
            row.latency = measured.get(name)
            if row.latency and baseline:
                row.slowdown = row.latency.relative_to(baseline)
        for precision, product in products:
            fastest = min(measured[_name(precision, product)].seconds)
            rate = Rate(product.operations / fastest, product.side, product.by)
            profile.rates[precision] = max(rate, profile.rates.get(precision, rate))
    for row in profile.rows:
        if row.latency:
            row.share = share_of_peak(row.macs, row.latency.median, profile.rates[row.candidate.precision].flop_per_s)


def share_of_peak(macs: int, seconds: float, rate: float) -> float:
    """Floating-point operations a second, two for each multiply-add, by the machine's rate in FLOP/s: 0 to 1."""
    return 2 * macs / seconds / rate


def text_of(size: Size) -> str:
    """Height x width."""
    return f"{size[0]}x{size[1]}"


def describe(row: Row) -> str:
    """Which row it is."""
    return f"{row.candidate.name}, {text_of(row.size)}, batch {row.batch}"


def _work(prepared: Prepared, size: Size, batch: int) -> Callable[[], object]:
    x = prepared.input(size, batch)

    def work() -> object:
        with prepared.settings():
            return prepared(x)

    return work


def _name(precision: str, product: MatrixProduct) -> str:
    return f"{PRODUCT}{precision}, by {product.by}"


def _product(precision: str, product: MatrixProduct) -> Callable[[], object]:
    def work() -> object:
        with tf32(torch.device("cuda"), precision == "tf32"):
            return product()

    return work


def _first_run(work: Callable[[], object], row: Row) -> str:
    """Run once, compiling where that is asked for. The reason if memory does not suffice, else nothing."""
    try:
        work()
    except Exception as error:  # whatever a network, a precision or a compiler raises
        if is_out_of_memory(error):
            torch.cuda.empty_cache()
            return memory.OUT_OF_MEMORY
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{describe(row)}: cannot run: {reason[:500]}") from error
    return ""
