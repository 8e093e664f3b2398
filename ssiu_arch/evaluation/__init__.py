"""What the scores of a run are, on what they were measured, and beside which published ones they stand.

``watch`` follows BasicSR's validations while a command runs, ``workers`` computes the metrics meanwhile, ``summary``
prints and writes the result.
"""
