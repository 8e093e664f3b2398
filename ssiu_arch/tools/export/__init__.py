"""SSIU for other runtimes: ONNX, checked against torch. ``ssiu export`` is its command.

``exportable`` is the network in a form that torch's exporter takes for any size; ``to_onnx`` writes it, ``runtime``
runs what was written, ``parity`` and ``latency`` compare that with torch. ``for_ncnn`` is a form for another converter.
"""

import basicsr  # noqa: F401  (first: its import registers what the package has, in an order that works)
