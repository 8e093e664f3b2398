"""The ``basicsr`` command. One file a verb; ``main.py`` chooses."""
