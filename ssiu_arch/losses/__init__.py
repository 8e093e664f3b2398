"""The frequency-domain loss of SSIU. ``fft_loss.py`` stands alone, as the network does."""

import basicsr  # noqa: F401  (first: its import registers what is here, whichever module is asked for)
