"""What BasicSR 1.4.2 needs on today's stack, one file per defect.

Each file mends one thing, says where it stands upstream and when it can go, and does nothing where the defect is
absent. ``ssiu_arch.registration`` calls ``before_import`` and ``after_import`` around the import of BasicSR.
"""

from ssiu_arch.patches.compat import (
    compiled_networks,
    cpu_only,
    distributed,
    ema_weights,
    functional_tensor,
    lmdb_reopen,
    local_rank,
    optimizers,
    prefetch_streams,
    scipy_filters,
    wandb_id,
)
from ssiu_arch.patches.patch import Repair
from ssiu_arch.patches.training import (
    atomic_saves,
    eta,
    force_yml,
    guarded_iterations,
    image_errors,
    iteration_count,
    missing_options,
    numpy_warnings,
    path_keys,
    prefetch_errors,
    prefetch_start,
    resume_state,
    sample_order,
    small_ssim,
    training_state,
    yaml_numbers,
)

BEFORE_IMPORT: tuple[Repair, ...] = (functional_tensor.REPAIR, scipy_filters.REPAIR)
AFTER_IMPORT: tuple[Repair, ...] = (
    yaml_numbers.REPAIR,
    force_yml.REPAIR,
    local_rank.REPAIR,
    missing_options.REPAIR,
    path_keys.REPAIR,
    cpu_only.REPAIR,
    resume_state.REPAIR,
    sample_order.REPAIR,
    iteration_count.REPAIR,
    training_state.REPAIR,
    atomic_saves.REPAIR,
    guarded_iterations.REPAIR,
    distributed.REPAIR,
    lmdb_reopen.REPAIR,
    optimizers.REPAIR,
    ema_weights.REPAIR,
    compiled_networks.REPAIR,
    image_errors.REPAIR,
    prefetch_errors.REPAIR,
    prefetch_start.REPAIR,
    prefetch_streams.REPAIR,
    small_ssim.REPAIR,
    numpy_warnings.REPAIR,
    eta.REPAIR,
    wandb_id.REPAIR,
)

applied: list[Repair] = []  # those that this process needed


def before_import() -> None:
    """Mend what would stop ``import basicsr`` itself."""
    applied.extend(repair for repair in BEFORE_IMPORT if repair.mend())


def after_import() -> None:
    """Mend the modules of BasicSR, which is imported by now."""
    applied.extend(repair for repair in AFTER_IMPORT if repair.mend())


def named() -> list[tuple[str, Repair]]:
    """Every repair by the name of its file, in the order in which they are applied."""
    return [(repair.apply.__module__.rpartition(".")[2], repair) for repair in BEFORE_IMPORT + AFTER_IMPORT]
