"""Tables as text for a terminal and as Markdown."""

from dataclasses import dataclass, field
from textwrap import fill

WIDTH = 100  # characters, of the text around a table


@dataclass
class Table:
    """A title, named columns, and rows that begin with a name."""

    title: str  # a line above
    columns: list[str]
    rows: list[tuple[str, list[str]]] = field(default_factory=list)  # a name and as many cells as columns
    note: str | None = None  # a line below

    def text(self) -> str:
        """The table with columns aligned by spaces, numbers to the right."""
        lines = [["", *self.columns], *([name, *cells] for name, cells in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        form = "  ".join([f"{{:<{widths[0]}}}", *(f"{{:>{width}}}" for width in widths[1:])])
        aligned = [form.format(*line) for line in lines]
        return "\n".join([fill(self.title, WIDTH), *aligned, *([fill(self.note, WIDTH)] if self.note else [])]) + "\n"

    def markdown(self) -> str:
        """The table as Markdown, its title above and its note below as paragraphs."""
        lines = [["", *self.columns], ["---", *["---:"] * len(self.columns)]]
        lines += [[name, *cells] for name, cells in self.rows]
        rows = ["| " + " | ".join(escaped(cell) for cell in line) + " |" for line in lines]
        note = [escaped(self.note), ""] if self.note else []
        return "\n".join([escaped(self.title), "", *rows, "", *note]) + "\n"


def escaped(text: str) -> str:
    """``text`` with Markdown's special characters escaped."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")
