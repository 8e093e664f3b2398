"""``ssiu profile``: parameters, multiply-adds, latency and peak memory of networks, side by side.

``candidates`` names the networks; ``measures`` counts multiply-adds and memory; ``run`` measures everything; ``report``
shows the result.
"""
