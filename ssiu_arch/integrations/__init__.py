"""SSIU in other programs (``spandrel``, ``comfyui``, ``web``), and other programs' networks in BasicSR (``rivals``)."""
