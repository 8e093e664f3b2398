"""Data sets: MATLAB's resize, pairs of images, sub-images in LMDB, and their verification.

Imports neither torch nor BasicSR at import time, so that the scripts of ``datasets_prep/`` start quickly.
"""
