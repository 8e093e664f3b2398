"""Helpers of all layers: errors, files, memory, timing, tables, option files."""
