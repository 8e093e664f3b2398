"""The frequency-domain loss of SSIU. ``fft_loss.py`` can be copied alone into a BasicSR fork."""
