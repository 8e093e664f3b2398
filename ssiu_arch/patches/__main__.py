"""``python -m ssiu_arch.patches`` prints ``docs/repairs.md``."""

from ssiu_arch import patches as repairs

HEAD = """# Repairs of BasicSR 1.4.2

What BasicSR 1.4.2 needs on today's stack. Each is one file in `ssiu_arch/patches/`, with a test of the same name in
`tests/repairs/`, and is inert where the defect is absent: in BasicSR's git repository, in a fork, with older packages.
`basicsr doctor` says which are in force. This page is what `python -m ssiu_arch.patches` prints.

| repair | what a user meets without it | where | needed until |
| --- | --- | --- | --- |
"""


def table() -> str:
    """The page, a line for each repair in the order in which they are applied."""
    rows = [f"| `{name}` | {repair.defect} | {repair.upstream} | {repair.until} |" for name, repair in repairs.named()]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table(), end="")
