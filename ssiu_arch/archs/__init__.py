"""The network. ``ssiu_arch.py`` stands alone: it can be copied into the ``archs`` folder of any BasicSR fork."""
