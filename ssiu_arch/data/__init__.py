"""Data sets: MATLAB's resize, pairs of images, sub-images in LMDB, and checks that they are right.

Nothing here imports torch or BasicSR, so that the scripts of ``datasets_prep/`` start at once.
"""
