"""BasicSR counts epochs by samples but trains whole batches: a run ends early, or trains nothing, and says nothing."""

import math
from typing import Any

from ssiu_arch.patches.patch import Repair, replace_everywhere
from ssiu_arch.utils.errors import UserError

_in_force = False


def _is_needed() -> bool:
    return not _in_force


def _apply() -> None:
    from basicsr import train

    global _in_force
    _in_force = True
    upstream = train.create_train_val_dataloader

    def create_train_val_dataloader(opt: dict[str, Any], logger: Any) -> tuple:
        """BasicSR's loaders, with the epochs that ``total_iter`` whole batches take.

        Raises:
            UserError: the training set is smaller than a batch.
        """
        loader, sampler, validation, _, total = upstream(opt, logger)
        if len(loader) == 0:
            batch = loader.batch_size * opt["world_size"]
            raise UserError(
                f"datasets.train: {len(loader.dataset)} images are fewer than a batch of {batch}: raise "
                "dataset_enlarge_ratio or lower batch_size_per_gpu"
            )
        return loader, sampler, validation, math.ceil(total / len(loader)) - 1, total  # BasicSR runs one more epoch

    replace_everywhere(upstream, create_train_val_dataloader)


REPAIR = Repair(
    defect="fewer iterations than total_iter where the last batch of an epoch is not whole; none for a tiny set",
    upstream="basicsr/train.py:45, data/__init__.py:72",
    until="BasicSR counts by the loader's length",
    is_needed=_is_needed,
    apply=_apply,
)
