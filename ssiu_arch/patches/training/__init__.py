"""Patches that change how BasicSR trains. The ``basicsr`` command applies them, ``import ssiu_arch`` does not."""
