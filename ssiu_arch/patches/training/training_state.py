"""A training state lacks the best scores and the random state, and overrules the schedule of the option file."""

import random
from pathlib import Path
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.patches.training.atomic_saves import save_atomically

SCHEDULE = {"periods", "restart_weights", "eta_min", "cumulative_period", "milestones", "gamma", "restarts"}


def random_state() -> dict[str, Any]:
    """The state of Python's, NumPy's and torch's generators, in types that ``torch.load`` accepts by default."""
    import numpy as np
    import torch

    name, keys, *rest = np.random.get_state(legacy=True)
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    numpy = (name, torch.from_numpy(np.asarray(keys).astype("int64")), *rest)
    return {"python": random.getstate(), "numpy": numpy, "torch": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what ``random_state`` returned. CUDA's generators are restored only on as many GPUs."""
    import numpy as np
    import torch

    name, keys, *rest = state["numpy"]
    random.setstate(state["python"])
    np.random.set_state((name, keys.numpy().astype("uint32"), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


@replaces(
    "basicsr.models.base_model:BaseModel.save_training_state",
    "basicsr.models.base_model:BaseModel.resume_training",
    "basicsr.models.base_model:BaseModel.update_learning_rate",
    upstream="basicsr/models/base_model.py:305 and 338",
    is_needed=lambda save, resume, update_rate: "best_metric_results" not in source(save),
)
def patch(save: Function, resume: Function, update_rate: Function) -> list[Function]:
    """A resumed run forgets its best scores and random state, and a longer `periods` of the option file."""

    from basicsr.utils import set_random_seed
    from basicsr.utils.dist_util import master_only

    def save_training_state(self: Any, epoch: int, current_iter: int) -> None:
        """Save all that an exact resume needs; the end of a run (-1) has no state."""
        if current_iter == -1:
            return
        best = {
            dataset: {metric: {**record, "val": float(record["val"])} for metric, record in records.items()}
            for dataset, records in getattr(self, "best_metric_results", {}).items()
        }
        state = {
            "epoch": epoch,
            "iter": current_iter,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
            "best_metric_results": best,
            "manual_seed": self.opt.get("manual_seed"),
            "random": random_state(),
        }
        save_atomically(state, Path(self.opt["path"]["training_states"]) / f"{current_iter}.state", must=False)

    def resume_training(self: Any, resume_state: dict[str, Any]) -> None:
        """Restore optimisers, scheduler positions and best scores; the schedule itself is the option file's."""
        schedulers = [
            {name: value for name, value in state.items() if name not in SCHEDULE}
            for state in resume_state["schedulers"]
        ]
        resume(self, {**resume_state, "schedulers": schedulers})
        if resume_state.get("best_metric_results"):
            self.best_metric_results = resume_state["best_metric_results"]
        self.random_state = resume_state.get("random")

    def update_learning_rate(self: Any, current_iter: int, warmup_iter: int = -1) -> None:
        """Begin an iteration.

        The first one after a resume restores the random state here, not in ``resume_training``: BasicSR makes the
        loaders and prefetches in between, which draws random numbers that the uninterrupted run did not draw.
        """
        if getattr(self, "random_state", None):
            if self.opt.get("rank", 0) == 0:
                set_random_state(self.random_state)
            else:  # the state is the first process's: the others get seeds of their own
                set_random_seed(self.opt["manual_seed"] + self.opt["rank"] + current_iter)
            self.random_state = None
        update_rate(self, current_iter, warmup_iter)

    return [master_only(save_training_state), resume_training, update_learning_rate]
