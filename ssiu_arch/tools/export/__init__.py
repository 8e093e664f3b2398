"""SSIU as ONNX, checked against torch. ``ssiu export`` is the command.

``exportable`` is the network in a form that torch's exporter takes for any size; ``to_onnx`` writes it, ``runtime``
runs the file, ``parity`` and ``latency`` compare it with torch.
"""
