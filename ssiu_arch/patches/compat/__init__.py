"""Patches that BasicSR 1.4.2 needs to import and run with current packages. ``import ssiu_arch`` applies them."""

from importlib import import_module

from ssiu_arch.patches.compat.removed_modules import FUNCTIONAL_TENSOR, SCIPY_FILTERS

NAMES = (
    "local_rank",
    "cpu_only",
    "distributed",
    "lmdb_reopen",
    "optimizers",
    "ema_weights",
    "compiled_networks",
    "prefetch_streams",
    "wandb_id",
)
REMOVED_MODULES = (FUNCTIONAL_TENSOR, SCIPY_FILTERS)
PATCHES = (*REMOVED_MODULES, *(import_module(f"{__name__}.{name}").patch for name in NAMES))
