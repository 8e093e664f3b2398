"""What a training state holds, and an exact resume: every step draws the random numbers of the run never stopped.

What draws between two steps differs after a resume: BasicSR makes the loaders, starts workers, and does not validate
again. So each step begins with the random state that the step before left, in a run that was stopped and in one that
was not; ``guarded_iterations`` keeps it, and a state saves it::

    iteration            5 |                          6 |
    draws       step ..... | validation, new epoch ...  | step .....
    random state           ^ kept, saved                ^ restored
"""

import warnings
from pathlib import Path
from typing import Any

from ssiu_arch.patches.patch import Function, replaces
from ssiu_arch.patches.states import load_optimizers, random_state, set_random_state
from ssiu_arch.patches.training import resume_state
from ssiu_arch.patches.training.folders import save_atomically


def of_every_process(own: dict[str, Any]) -> list[dict[str, Any]]:
    """The random state of every process of the run; all of them must call this with their own."""
    from torch import distributed

    states: list[Any] = [own]
    if distributed.is_available() and distributed.is_initialized():
        states = [None] * distributed.get_world_size()
        distributed.all_gather_object(states, own)
    return states


def restore_best(model: Any, saved: dict[str, Any]) -> None:
    """Give ``model`` the best scores of a state, by data set, for the metrics that the option file still has."""
    for dataset, records in saved.items():
        if (model.opt.get("val") or {}).get("metrics"):
            model._initialize_best_metric_results(dataset)
            best = model.best_metric_results[dataset]
            best.update({metric: record for metric, record in records.items() if metric in best})


def restore_random(model: Any, state: dict[str, Any]) -> None:
    """Note this process's random state for the next iteration; with another number of processes, one by its seed."""
    from basicsr.utils import set_random_seed

    states, rank = [state["random"], *state.get("random_of_others", ())], model.opt.get("rank", 0)
    if len(states) == model.opt.get("world_size", 1):
        model.random_state = states[rank]
    else:  # there are as many seeds as processes
        set_random_seed(model.opt["manual_seed"] + rank + state["iter"])
        model.random_state = random_state()


@replaces(
    "basicsr.models.base_model:BaseModel.save_training_state",
    "basicsr.models.base_model:BaseModel.resume_training",
    "basicsr.models.base_model:BaseModel.update_learning_rate",
    upstream="basicsr/models/base_model.py:305 and 338",
    is_needed=lambda save, resume, update_rate: "best_metric_results" not in save,
)
def training_state(save: Function, resume: Function, update_rate: Function) -> list[Function]:
    """A resumed run forgets its best scores and random state, and ignores a new learning rate, schedule or weight decay
    of the option file.
    """

    from basicsr.utils import get_root_logger

    def save_training_state(self: Any, epoch: int, current_iter: int) -> None:
        """Save all that an exact resume needs; the end of a run (-1) has no state."""
        if current_iter == -1:
            return
        random = of_every_process(getattr(self, "random_state", None) or random_state())
        if self.opt.get("rank", 0) != 0:
            return
        best = {
            dataset: {metric: {**record, "val": float(record["val"])} for metric, record in records.items()}
            for dataset, records in getattr(self, "best_metric_results", {}).items()
        }
        state = {
            "epoch": epoch,
            "iter": current_iter,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [  # for plain BasicSR; milestones are a Counter, which older torch refuses to load
                {name: value for name, value in scheduler.state_dict().items() if name != "milestones"}
                for scheduler in self.schedulers
            ],
            "best_metric_results": best,
            "manual_seed": self.opt.get("manual_seed"),
            "options": resume_state.asked,
            "random": random[0],
            "random_of_others": random[1:],
        }
        save_atomically(state, Path(self.opt["path"]["training_states"]) / f"{current_iter}.state", must=False)

    def resume_training(self: Any, resume_state: dict[str, Any]) -> None:
        """Restore the optimisers' moments, the best scores and the random state; all options are the option file's.

        The schedule is stepped through from the start: one of steps multiplies the rate it finds, so that no formula
        gives the rate of an iteration.
        """
        load_optimizers(self.optimizers, resume_state["optimizers"])
        train = self.opt["train"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch expects a step of the optimiser before one of the schedule
            for iteration in range(1, min(resume_state["iter"], int(train["total_iter"])) + 1):
                type(self).update_learning_rate(self, iteration, warmup_iter=train.get("warmup_iter", -1))
        restore_best(self, resume_state.get("best_metric_results") or {})
        if resume_state.get("random"):
            restore_random(self, resume_state)
        if resume_state.get("said"):
            get_root_logger().info(resume_state["said"])

    def update_learning_rate(self: Any, current_iter: int, warmup_iter: int = -1) -> None:
        """Begin an iteration with the random state after the one before; of a resumed run, with that of its state."""
        kept = self.__dict__.pop("random_state", None)
        if kept:
            set_random_state(kept)
        update_rate(self, current_iter, warmup_iter)

    return [save_training_state, resume_training, update_learning_rate]
