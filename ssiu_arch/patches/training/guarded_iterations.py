"""Every iteration of a training: a stop at nan or on request, validation once, and states that are complete."""

import math
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from ssiu_arch.patches.patch import Function, replaces
from ssiu_arch.patches.states import random_state
from ssiu_arch.utils.errors import UserError

stop = threading.Event()  # set it to end the training after the current iteration, with its state saved


class Stopped(Exception):
    """The training ended early because ``stop`` was set; its argument is the iteration that was saved."""


class Guard:
    """Replaces four methods of ``model`` so that every iteration is checked.

    - The first loss that is not finite stops the training: at the latest before anything is validated or saved.
    - An iteration is validated once. BasicSR validates the last one twice.
    - An iteration draws its random numbers after those of the one before, whatever draws in between: validation, the
      start of an epoch, or the start of a resumed run.
    - The state of an iteration is saved after its validation, with the new best scores; else a resume skips it.
    - ``stop`` ends the training before the next iteration, with a state saved.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.begin, self.optimize = model.update_learning_rate, model.optimize_parameters
        self.validate, self.save_now = model.validation, model.save
        model.update_learning_rate, model.optimize_parameters = self.update_learning_rate, self.optimize_parameters
        model.validation, model.save = self.validation, self.save
        self.sets = sum(phase.split("_")[0] == "val" for phase in model.opt["datasets"])
        self.has_trained = False
        self.validated: set[tuple[str, int]] = set()  # data set and iteration
        self.waiting: tuple[int, int] | None = None  # epoch and iteration of a state to save after the validation
        self.unchecked: deque[tuple[int, Mapping[str, float]]] = deque()  # iterations and their losses

    def update_learning_rate(self, current_iter: int, **options: Any) -> None:
        """Begin an iteration, unless the training was asked to stop."""
        if stop.is_set():
            if not self.has_trained:  # nothing new to save
                raise KeyboardInterrupt
            self.check_and_save(0, current_iter - 1)
            raise Stopped(current_iter - 1)
        self.begin(current_iter, **options)

    def optimize_parameters(self, current_iter: int) -> None:
        """Train one iteration; then check the losses that have arrived from the GPU, without waiting for others."""
        self.optimize(current_iter)
        self.has_trained = True
        self.model.random_state = random_state()  # restored when the next iteration begins, see ``training_state``
        self.unchecked.append((current_iter, self.model.log_dict))
        while self.unchecked and getattr(self.unchecked[0][1], "arrived", lambda: True)():
            self.check_next()

    def validation(self, dataloader: Any, current_iter: int, *args: Any, **options: Any) -> None:
        """Validate one data set, once an iteration; save the state that waits for the last one, even if it fails."""
        turn = (dataloader.dataset.opt["name"], current_iter)
        self.check_all()
        try:
            if turn not in self.validated:
                self.validated.add(turn)
                self.validate(dataloader, current_iter, *args, **options)
        finally:
            if self.waiting and self.sets == sum(iteration == current_iter for _, iteration in self.validated):
                epoch_and_iteration, self.waiting = self.waiting, None
                self.check_and_save(*epoch_and_iteration)

    def save(self, epoch: int, current_iter: int) -> None:
        """Save now, or after the validation of this iteration, which BasicSR makes after the save."""
        frequency = (self.model.opt.get("val") or {}).get("val_freq")
        if self.sets and current_iter > 0 and frequency and current_iter % frequency == 0:
            self.waiting = (epoch, current_iter)
        else:
            self.check_and_save(epoch, current_iter)

    def check_and_save(self, epoch: int, current_iter: int) -> None:
        self.check_all()
        self.save_now(epoch, current_iter)

    def check_all(self) -> None:
        while self.unchecked:
            self.check_next()

    def check_next(self) -> None:
        """Raise ``UserError`` if a loss of the first iteration that is unchecked is infinite or nan."""
        current_iter, losses = self.unchecked.popleft()
        bad = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
        if bad:
            states = self.model.opt["path"].get("training_states")
            raise UserError(
                f"iteration {current_iter}: {', '.join(bad)}; training stopped, the states in {states} are older and "
                "intact. Lower train.optim_g.lr, look for a damaged image, or set train.skip_non_finite: true "
                "(SSIUModel)"
            )


@replaces(
    "basicsr.train:build_model",
    upstream="basicsr/train.py:169, 187 and 210",
    reads=("basicsr.train:train_pipeline",),
    is_needed=lambda build_model, train_pipeline: "isfinite" not in train_pipeline,
)
def guarded_iterations(upstream: Function) -> list[Function]:
    """Training goes on after a loss of nan and saves it; the last validation runs twice; states lack their scores."""

    def build_model(opt: dict[str, Any]) -> Any:
        """BasicSR's ``build_model``, guarded."""
        model = upstream(opt)
        Guard(model)
        return model

    return [build_model]


@replaces(
    "basicsr.utils.logger:MessageLogger.__init__",
    upstream="basicsr/utils/logger.py:104",
    reads=("basicsr.utils.logger:MessageLogger.__call__",),
    is_needed=lambda init, call: "self.max_iters - current_iter - 1" in call,
)
def eta(upstream: Function) -> list[Function]:
    """The log's last line says `eta: -1 day, 23:59:59`."""

    def __init__(self: Any, opt: dict[str, Any], start_iter: int = 1, tb_logger: Any = None) -> None:
        upstream(self, opt, start_iter, tb_logger)
        self.max_iters = int(self.max_iters) + 1  # BasicSR subtracts one again

    return [__init__]
