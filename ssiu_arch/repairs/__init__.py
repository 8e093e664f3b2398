"""What BasicSR 1.4.2 needs on today's stack, one file per defect.

Each file mends one thing, says where it stands upstream and when it can go, and does nothing where the defect is
absent. ``ssiu_arch.plugin`` calls ``before_import`` and ``after_import`` around the import of BasicSR, wherever it is.
"""

from ssiu_arch.repairs import (
    atomic_saves,
    cpu_only,
    distributed,
    force_yml,
    functional_tensor,
    guarded_iterations,
    iteration_count,
    lmdb_reopen,
    missing_options,
    optimizers,
    path_keys,
    resume_state,
    sample_order,
    training_state,
    yaml_numbers,
)
from ssiu_arch.repairs.repair import Repair

BEFORE_IMPORT: tuple[Repair, ...] = (functional_tensor.REPAIR,)
AFTER_IMPORT: tuple[Repair, ...] = (
    yaml_numbers.REPAIR,
    force_yml.REPAIR,
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
)


def before_import() -> None:
    """Mend what would stop ``import basicsr`` itself."""
    for repair in BEFORE_IMPORT:
        repair.mend()


def after_import() -> None:
    """Mend the modules of BasicSR, which is imported by now."""
    for repair in AFTER_IMPORT:
        repair.mend()
