"""Training goes on with a loss that is not finite, validates its end twice, saves a state before its best scores."""

import math
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours
from ssiu_arch.utils.errors import UserError

stop = threading.Event()  # set, the training ends after the iteration under way and its validation, its state saved


class Stopped(Exception):
    """The training ended early because ``stop`` was set; its argument is the iteration that was saved."""


def guard(model: Any) -> None:
    """Change what ``model`` does around an iteration.

    It stops at the first loss that is not finite; validates an iteration once; saves an iteration's state after its
    validation, so that the state knows the best scores; and stops, its state saved, once ``stop`` is set. Losses that
    are still on their way from the GPU (``AsyncLosses``) are looked at once they have arrived, an iteration or so later,
    and all of them before anything is validated or saved.
    """
    begin, optimize, validate, save = (
        getattr(model, name) for name in ("update_learning_rate", "optimize_parameters", "validation", "save")
    )
    validated: set[tuple[str, int]] = set()
    done: set[bool] = set()  # whether there was an iteration
    waiting: list[tuple[int, int]] = []  # epoch and iteration of a state to be saved
    late: deque[tuple[int, Mapping[str, float]]] = deque()  # iterations whose losses nobody has looked at
    sets = sum(phase.split("_")[0] == "val" for phase in model.opt["datasets"])

    def update_learning_rate(current_iter: int, **options: Any) -> None:
        if stop.is_set():
            if not done:  # nothing to save that was not there before
                raise KeyboardInterrupt
            check_and_save(0, current_iter - 1)
            raise Stopped(current_iter - 1)
        begin(current_iter, **options)

    def optimize_parameters(current_iter: int) -> None:
        optimize(current_iter)
        late.append((current_iter, model.log_dict))
        check_late(wait=False)
        done.add(True)

    def check_late(wait: bool) -> None:
        while late and (wait or has_arrived(late[0][1])):
            check_finite(model, *late.popleft())

    def check_and_save(epoch: int, current_iter: int) -> None:
        check_late(wait=True)
        save(epoch, current_iter)

    def save_after_validation(epoch: int, current_iter: int) -> None:
        frequency = (model.opt.get("val") or {}).get("val_freq")
        if sets and current_iter > 0 and frequency and current_iter % frequency == 0:
            waiting.append((epoch, current_iter))
        else:
            check_and_save(epoch, current_iter)

    def validation(dataloader: Any, current_iter: int, *args: Any, **options: Any) -> None:
        turn = (dataloader.dataset.opt["name"], current_iter)
        last = len({name for name, done in validated if done == current_iter} | {turn[0]}) == sets
        check_late(wait=True)
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
    """Whether losses can be read without waiting for them; numbers always can."""
    arrived = getattr(losses, "arrived", None)
    return arrived is None or arrived()


def check_finite(model: Any, current_iter: int, losses: Mapping[str, float]) -> None:
    """Raise ``UserError`` if a loss that ``model`` logged for this iteration is infinite or no number."""
    bad = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    if bad:
        states = model.opt["path"].get("training_states")
        raise UserError(
            f"iteration {current_iter}: {', '.join(bad)}; stopped, the states in {states} are from before. Lower "
            "train.optim_g.lr, look for a damaged image, or with SSIUModel set train.skip_non_finite: true"
        )


def _is_needed() -> bool:
    from basicsr import train

    return not is_ours(train.build_model)


def _apply() -> None:
    from basicsr import train

    upstream = train.build_model

    def build_model(opt: dict[str, Any]) -> Any:
        """BasicSR's ``build_model``, guarded."""
        model = upstream(opt)
        guard(model)
        return model

    train.build_model = build_model


REPAIR = Repair(
    defect="a loss of nan is trained on and saved; the last validation runs twice; states lack their own scores",
    upstream="basicsr/train.py:169, 187 and 210",
    until="BasicSR stops at the first loss that is not finite",
    is_needed=_is_needed,
    apply=_apply,
)
