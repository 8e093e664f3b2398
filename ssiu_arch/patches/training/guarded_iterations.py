"""BasicSR trains on and saves after a loss of nan, validates the last iteration twice, saves before it validates."""

import math
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.patches.states import random_state
from ssiu_arch.utils.errors import UserError

stop = threading.Event()  # set it to end the training after the current iteration, with its state saved


class Stopped(Exception):
    """The training ended early because ``stop`` was set; its argument is the iteration that was saved."""


def guard(model: Any) -> None:
    """Replace four methods of ``model`` so that every iteration is checked.

    - The first loss that is not finite stops the training: at the latest before anything is validated or saved.
    - An iteration is validated once. BasicSR validates the last one twice.
    - An iteration draws its random numbers after those of the one before, whatever draws in between: validation, the
      start of an epoch, or the start of a resumed run.
    - The state of an iteration is saved after its validation, with the new best scores; else a resume skips it.
    - ``stop`` ends the training before the next iteration, with a state saved.
    """
    begin, optimize, validate, save = (
        getattr(model, name) for name in ("update_learning_rate", "optimize_parameters", "validation", "save")
    )
    validated: set[tuple[str, int]] = set()  # data set and iteration
    trained: set[bool] = set()  # not empty once there was an iteration
    waiting: list[tuple[int, int]] = []  # epoch and iteration of a state to save after the validation
    unchecked: deque[tuple[int, Mapping[str, float]]] = deque()  # iterations and their losses
    sets = sum(phase.split("_")[0] == "val" for phase in model.opt["datasets"])

    def update_learning_rate(current_iter: int, **options: Any) -> None:
        if stop.is_set():
            if not trained:  # nothing new to save
                raise KeyboardInterrupt
            check_and_save(0, current_iter - 1)
            raise Stopped(current_iter - 1)
        begin(current_iter, **options)

    def optimize_parameters(current_iter: int) -> None:
        optimize(current_iter)
        model.random_state = random_state()  # restored when the next iteration begins, see ``training_state``
        unchecked.append((current_iter, model.log_dict))
        check_losses(wait=False)  # those that have arrived from the GPU
        trained.add(True)

    def check_losses(wait: bool) -> None:
        while unchecked and (wait or has_arrived(unchecked[0][1])):
            check_finite(model, *unchecked.popleft())

    def check_and_save(epoch: int, current_iter: int) -> None:
        check_losses(wait=True)
        save(epoch, current_iter)

    def save_after_validation(epoch: int, current_iter: int) -> None:
        frequency = (model.opt.get("val") or {}).get("val_freq")
        if sets and current_iter > 0 and frequency and current_iter % frequency == 0:
            waiting.append((epoch, current_iter))
        else:
            check_and_save(epoch, current_iter)

    def validation(dataloader: Any, current_iter: int, *args: Any, **options: Any) -> None:
        turn = (dataloader.dataset.opt["name"], current_iter)
        last = len({name for name, iteration in validated if iteration == current_iter} | {turn[0]}) == sets
        check_losses(wait=True)
        try:
            if turn not in validated:
                validated.add(turn)
                validate(dataloader, current_iter, *args, **options)
        finally:
            if waiting and last:
                check_and_save(*waiting.pop())

    model.update_learning_rate, model.optimize_parameters = update_learning_rate, optimize_parameters
    model.validation, model.save = validation, save_after_validation


def has_arrived(losses: Mapping[str, float]) -> bool:
    """Whether losses can be read without waiting for the GPU; plain numbers always can."""
    arrived = getattr(losses, "arrived", None)
    return arrived is None or arrived()


def check_finite(model: Any, current_iter: int, losses: Mapping[str, float]) -> None:
    """Raise ``UserError`` if a loss that ``model`` logged for this iteration is infinite or nan."""
    bad = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    if bad:
        states = model.opt["path"].get("training_states")
        raise UserError(
            f"iteration {current_iter}: {', '.join(bad)}; training stopped, the states in {states} are older and "
            "intact. Lower train.optim_g.lr, look for a damaged image, or set train.skip_non_finite: true (SSIUModel)"
        )


@replaces(
    "basicsr.train:build_model",
    upstream="basicsr/train.py:169, 187 and 210",
    reads=("basicsr.train:train_pipeline",),
    is_needed=lambda build_model, train_pipeline: "isfinite" not in source(train_pipeline),
)
def patch(upstream: Function) -> list[Function]:
    """Training goes on after a loss of nan and saves it; the last validation runs twice; states lack their scores."""

    def build_model(opt: dict[str, Any]) -> Any:
        """BasicSR's ``build_model``, guarded."""
        model = upstream(opt)
        guard(model)
        return model

    return [build_model]
