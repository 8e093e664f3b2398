"""The commands ``basicsr`` and ``ssiu``: one file per verb; ``main.py`` runs the one that is named."""
