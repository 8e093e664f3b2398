"""What networks cost: parameters, multiply-adds, latency side by side, peak memory. ``ssiu profile`` is its command.

``candidates`` names what is measured and ``forms`` makes it ready to run; ``macs``, ``latency`` and ``memory`` measure
one thing each, ``run`` goes through them all; ``report`` and ``figure`` show the result. ``accuracy`` measures what a
trained SSIU loses in each of its modes, for ``benchmarks/modes.py``.
"""

import basicsr  # noqa: F401  (first: its import registers what the package has, in an order that works)
