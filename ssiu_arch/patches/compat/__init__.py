"""Patches that BasicSR 1.4.2 needs to import and run with current packages. ``import ssiu_arch`` applies them."""

from ssiu_arch.patches.compat import data, models, removed, start

MODULES = (removed, start, data, models)
