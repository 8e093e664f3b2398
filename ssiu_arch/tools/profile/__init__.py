"""Cost of networks: parameters, multiply-adds, latency and peak memory. ``ssiu profile`` is the command.

``candidates`` names the networks; ``macs`` and ``memory`` measure one quantity each; ``run`` measures all of them;
``report`` and ``figure`` show the result.
"""
