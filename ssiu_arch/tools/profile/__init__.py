"""``ssiu profile``: parameters, multiply-adds, latency and peak memory of networks, side by side."""
