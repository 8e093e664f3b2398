"""Assembles SSIU as a folder for other programs: ``python -m ssiu_arch.integrations.comfyui --help``."""
