"""The network. ``ssiu_arch.py`` stands alone: it can be copied into the ``archs`` folder of any BasicSR fork."""

import basicsr  # noqa: F401  (first: its import registers what is here, whichever module is asked for)
