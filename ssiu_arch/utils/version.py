"""The version of the package: the one place that ``setup.py``, ``ssiu_arch.__version__`` and ``--version`` read."""

__version__ = "0.2.0"
