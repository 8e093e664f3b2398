"""SSIU in other programs, and other programs' networks here.

``spandrel`` makes SSIU known to spandrel, which chaiNNer and ComfyUI load networks by; ``comfyui`` assembles a folder
for ComfyUI; ``rivals`` registers every network that spandrel knows in BasicSR.
"""
