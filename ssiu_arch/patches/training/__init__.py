"""Patches that change how BasicSR trains or reads options. The ``basicsr`` command applies them.

A ``train.py`` of your own calls ``ssiu_arch.apply_training_patches()``; ``import ssiu_arch`` applies none of them.
"""

from importlib import import_module

NAMES = (
    "safe_yaml",
    "option_files",
    "dist_params",
    "path_keys",
    "resume_state",
    "one_owner",
    "sample_order",
    "training_state",
    "atomic_saves",
    "guarded_iterations",
    "image_errors",
    "cpu_prefetcher",
    "small_ssim",
    "eta",
)
PATCHES = tuple(import_module(f"{__name__}.{name}").patch for name in NAMES)
