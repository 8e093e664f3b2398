"""``ssiu lam``: local attribution maps (LAM), which LR pixels a patch of the result depends on.

Source: Gu and Dong, "Interpreting Super-Resolution Networks with Local Attribution Maps", CVPR 2021.
"""
