"""What networks cost: parameters, multiply-adds, latency side by side, peak memory. ``ssiu profile`` is its command.

``candidates`` names what is measured and ``forms`` makes it ready to run; ``macs``, ``latency`` and ``memory`` measure
one thing each, ``run`` goes through them all; ``report`` and ``figure`` show the result.
"""
