"""What a score is measured against."""

import basicsr  # noqa: F401  (first: its import registers what is here, whichever module is asked for)
