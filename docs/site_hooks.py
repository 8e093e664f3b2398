"""Turn pages written for a checkout into pages of the site."""

import re
from typing import Any

OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\((?:\.\./)+([^)#\s]+)(?:#[^)]*)?\)")
MARKS = re.compile(r"^(```python) (?:quote=\S+|not-run)$", re.MULTILINE)


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Name files outside ``docs/``, which the site has no page for, instead of linking to them.

    What the tests read behind ``python`` in a code block's first line goes, too.
    """
    named = OUTSIDE.sub(lambda link: f"{link[1]} (`{link[2]}`)" if link[1] != link[2] else f"`{link[2]}`", markdown)
    return MARKS.sub(r"\1", named)
