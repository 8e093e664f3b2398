"""``ssiu export``: SSIU as ONNX, for images of any size, checked against torch."""
