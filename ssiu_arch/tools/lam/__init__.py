"""Local attribution maps (LAM): which pixels of an LR image a patch of the result depends on.

Source: Gu and Dong, "Interpreting Super-Resolution Networks with Local Attribution Maps", CVPR 2021.
"""
