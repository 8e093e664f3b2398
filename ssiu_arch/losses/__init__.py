"""The frequency-domain loss of SSIU. ``fft_loss.py`` stands alone, as the network does."""
