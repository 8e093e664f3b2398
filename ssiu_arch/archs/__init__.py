"""The network. ``ssiu_arch.py`` can be copied alone into the ``archs`` folder of any BasicSR fork."""
