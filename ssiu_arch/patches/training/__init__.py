"""Patches that change how BasicSR trains or reads options. The ``basicsr`` command applies them.

A ``train.py`` of your own calls ``ssiu_arch.apply_training_patches()``; ``import ssiu_arch`` applies none of them.
"""

from ssiu_arch.patches.training import (
    distributed,
    folders,
    guarded_iterations,
    loading,
    option_files,
    resume_state,
    sample_order,
    training_state,
)

# In the order in which they are applied: the lock of ``folders`` goes around the step of ``resume_state``.
MODULES = (option_files, distributed, resume_state, folders, sample_order, training_state, guarded_iterations, loading)
