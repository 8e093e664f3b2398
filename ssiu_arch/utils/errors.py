"""The one exception this package shows its users."""


class UserError(Exception):
    """An error that the user can fix: one line that says what, where, which value, and what to do.

    Commands and scripts print the message to stderr without a traceback and leave with ``exit_code``.
    """

    exit_code = 2


def in_one_line(error: UserError) -> str:
    """The message in one line, without the traceback that a worker of torch's DataLoader puts before it."""
    message = str(error).rpartition(f"{UserError.__module__}.{UserError.__name__}: ")[2]
    return printable(" ".join(message.split()))


def printable(name: object) -> str:
    """``name`` with line breaks, control characters and bytes that are no UTF-8 escaped, as in ``a\\n\\x1b.png``."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(name))


def _escaped(c: str) -> str:
    is_byte = 0xDC80 <= ord(c) <= 0xDCFF  # of a file name, as Python reads it
    return f"\\x{ord(c) - 0xDC00:02x}" if is_byte else c.encode("unicode_escape", "surrogatepass").decode()
