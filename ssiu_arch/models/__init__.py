"""The training model that BasicSR runs."""

import basicsr  # noqa: F401  (first: its import registers what is here, whichever module is asked for)
