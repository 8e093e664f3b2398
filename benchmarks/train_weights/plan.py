"""What a stint does in the time it has: iterations, schedule, learning rate, and what to expect of it."""

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ssiu_arch.data.bicubic import BICUBIC
from ssiu_arch.evaluation import paper
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import read_json, write_json

MARGIN = 0.05  # of the iterations: a machine may be slower than in the trial
LEAVING = 15.0  # seconds at the end of a segment: the iteration under way, its state
ENDING = 60.0  # seconds at the end of the last one: scores, and what is shipped
LEAST = 10  # iterations of a stint
SAVES = 10
LOGGED = 10  # times that losses are logged from one save to the next
VALIDATIONS = (10, 5, 2, 1)  # the most of these that take no more than
VALIDATING = 0.1  # of the time

FROM_SCRATCH = 1.0e-3  # the paper's learning rate
FROM_WEIGHTS = 5.0e-4  # half of it: enough to learn on with, less of what was learnt is undone
WARM_UP = 0.02  # of the iterations, up to
LONGEST_WARM_UP = 500

# A guess, no measurement: after so many iterations, the share of the way from bicubic to the paper's score.
GUESSED = ((1, 0.0), (1_000, 0.35), (5_000, 0.62), (20_000, 0.77), (100_000, 0.9), (1_000_500, 1.0))


@dataclass(frozen=True)
class Pace:
    """How fast a training is.

    Attributes:
        rate: iterations a second.
        start: seconds from the start of the process to its first iteration, compilation included.
        validation: seconds of a validation and the save after it.
    """

    rate: float
    start: float = 120.0
    validation: float = 20.0


@dataclass(frozen=True)
class Schedule:
    """Iterations of a stint, and those after which losses are logged, networks saved, and networks validated."""

    iterations: int
    logged: int
    saved: int
    validated: int


@dataclass
class Plan:
    """A stint, from its first segment on; ``experiments/NAME.json``.

    Attributes:
        scale: of the network.
        schedule: ``Schedule`` as a dict.
        pace: ``Pace`` as a dict, and ``measured`` or ``given``.
        rate: the highest learning rate.
        start: file of the weights it starts from; None: from scratch.
        started_with: what it is called, with its hash.
        earlier: stints behind those weights.
        segments: commands that it was planned for.
        expected: PSNR on Set5, a guess, in dB.
        data: what it trains on, as ``prepare_training`` says; images of a batch, side of their LR patches.
        command: as it was given.
        begun: segments so far.
        seconds: of training so far.
        finished: scored, and shipped where it was better.
    """

    scale: int
    schedule: dict[str, int]
    pace: dict[str, Any]
    rate: float
    start: str | None
    started_with: str
    earlier: int
    segments: int
    expected: float
    data: dict[str, Any]
    command: str
    begun: int = 0
    seconds: float = 0.0
    finished: bool = False

    @classmethod
    def read(cls, path: Path) -> "Plan | None":
        """The plan in a file, or None where there is none.

        Raises:
            UserError: it holds no plan.
        """
        held = read_json(path)
        try:
            return None if held is None else cls(**held)
        except TypeError:
            raise UserError(f"{path}: is no plan of a stint; move it") from None

    def write(self, path: Path) -> None:
        """Keep the plan in a file."""
        write_json(path, asdict(self))


def schedule(pace: Pace, minutes: float, segments: int, spent: float) -> Schedule:
    """The iterations that fit, with margins, between the starts, validations and ends of the segments.

    Args:
        pace: of the training.
        minutes: a segment may take, all in all.
        segments: how many there are.
        spent: seconds of the first segment that have gone by already.

    Raises:
        UserError: there is no time for any.
    """
    all_in_all = segments * 60 * minutes
    fitting = (n for n in VALIDATIONS if n * pace.validation <= VALIDATING * all_in_all)
    validations = next(fitting, VALIDATIONS[-1])
    needed = segments * (pace.start + LEAVING) + spent + ENDING + validations * pace.validation
    count = int((1 - MARGIN) * (all_in_all - needed) * pace.rate)
    if count < LEAST:
        raise UserError(
            f"--minutes {minutes:g} --segments {segments}: starts, validations and the end take {needed:.0f} s, which "
            f"leaves no time for {LEAST} iterations; give it more"
        )
    return rounded(count, validations)


def rounded(count: int, validations: int = VALIDATIONS[0]) -> Schedule:
    """At most ``count`` iterations, so many that the last one is saved and validated; ``count`` is at least 1."""
    saved = max(1, count // SAVES)
    logged = max(1, saved // LOGGED)
    saved -= saved % logged
    saves = count // saved
    validated = saves // min(validations, saves) * saved
    return Schedule(saves * saved // validated * validated, logged, saved, validated)


def guess(scale: int, iterations: int) -> float:
    """PSNR on Set5 in dB to be expected, by a rule of thumb (``GUESSED``), linear in the logarithm of iterations."""
    printed = next(row.psnr["Set5"] for row in paper.rows(scale) if row.method == paper.SSIU)
    bicubic, _ = BICUBIC["Set5", scale]
    return bicubic + (printed - bicubic) * _interpolated(GUESSED, iterations)


def _interpolated(points: Sequence[tuple[int, float]], at: int) -> float:
    for (left, low), (right, high) in pairwise(points):
        if at <= right:
            return low + (high - low) * math.log(max(at, left) / left) / math.log(right / left)
    return points[-1][1]


def planned(options: dict[str, Any], plan: Plan, own_scale: bool) -> dict[str, Any]:
    """The option file of a stint.

    Args:
        options: of the recipe.
        plan: of the stint.
        own_scale: whether the weights it starts from are of its scale. Of another's, what has another shape, the
            tail, starts from scratch.
    """
    opt, times = deepcopy(options), plan.schedule
    total = times["iterations"]
    opt["path"] = {**opt.get("path", {}), "pretrain_network_g": plan.start, "strict_load_g": own_scale}
    if plan.start:
        opt["path"]["param_key_g"] = "params_ema"
    opt["train"]["optim_g"]["lr"] = plan.rate
    opt["train"].update(total_iter=total, warmup_iter=max(1, min(LONGEST_WARM_UP, int(WARM_UP * total))))
    opt["train"]["scheduler"]["periods"] = [total]
    opt["val"]["val_freq"], opt["logger"]["save_checkpoint_freq"] = times["validated"], times["saved"]
    opt["logger"]["print_freq"] = times["logged"]
    return opt


def for_trial(options: dict[str, Any], iterations: int) -> dict[str, Any]:
    """The option file of a trial: ``iterations`` of the recipe from scratch, their times logged four times."""
    opt = deepcopy(options)
    opt["name"] = f"{options['name']}_trial"
    opt["train"].update(total_iter=iterations, warmup_iter=-1)
    opt["train"]["scheduler"]["periods"] = [iterations]
    opt["val"]["val_freq"] = opt["logger"]["save_checkpoint_freq"] = iterations
    opt["logger"]["print_freq"] = iterations // 4
    return opt
