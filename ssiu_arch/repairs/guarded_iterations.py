"""Training goes on with a loss that is not finite and saves it; the last validation runs twice under two numbers."""

import math
import threading
from typing import Any

from ssiu_arch.errors import UserError
from ssiu_arch.repairs.repair import Repair, is_ours

stop = threading.Event()  # set, the training ends after the iteration under way, its state saved


class Stopped(Exception):
    """The training ended early because ``stop`` was set; its argument is the iteration that was saved."""


def guard(model: Any) -> None:
    """Make ``model`` stop at the first loss that is not finite, or when asked to, and validate an iteration once."""
    optimize, validate = model.optimize_parameters, model.validation
    validated: set[tuple[str, int]] = set()

    def optimize_parameters(current_iter: int) -> None:
        optimize(current_iter)
        check_finite(model, current_iter)
        if stop.is_set() and not model.opt["dist"]:  # several processes would stop at different iterations
            model.save(0, current_iter)
            raise Stopped(current_iter)

    def validation(dataloader: Any, current_iter: int, *args: Any, **kwargs: Any) -> None:
        turn = (dataloader.dataset.opt["name"], current_iter)
        if turn not in validated:
            validated.add(turn)
            validate(dataloader, current_iter, *args, **kwargs)

    model.optimize_parameters, model.validation = optimize_parameters, validation


def check_finite(model: Any, current_iter: int) -> None:
    """Raise ``UserError`` if a loss that ``model`` logged for this iteration is infinite or no number."""
    bad = [f"{name} is {value}" for name, value in model.log_dict.items() if not math.isfinite(value)]
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
    defect="a loss of nan is trained on and saved; the final validation runs twice, the second time as total_iter + 1",
    upstream="basicsr/train.py:169 and 210",
    until="BasicSR stops at the first loss that is not finite",
    is_needed=_is_needed,
    apply=_apply,
)
