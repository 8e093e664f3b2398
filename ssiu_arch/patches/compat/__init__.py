"""Patches that BasicSR 1.4.2 needs to import and run on current packages. ``import ssiu_arch`` applies them."""
