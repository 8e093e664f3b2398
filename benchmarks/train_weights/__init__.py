"""Training in stints of minutes: predicted, stopped in time, and shipped only where it is better than before."""
