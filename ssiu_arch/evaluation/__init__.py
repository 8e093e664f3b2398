"""Scores of a run: how they were measured, on which files, and which published scores compare.

``watch`` records BasicSR's validations, ``summary`` prints and writes the tables, ``paper`` has Table I.
"""
