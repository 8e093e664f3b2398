"""How the shipped weights are trained: one long training in the background, shipped where it beats the last weights."""
