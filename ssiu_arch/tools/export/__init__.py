"""SSIU as ONNX, checked against torch. ``ssiu export`` is the command.

``to_onnx`` writes the network in a form that torch's exporter takes for any size; ``comparison`` checks and times it.
"""
