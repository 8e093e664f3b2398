"""The one exception this package shows its users."""


class UserError(Exception):
    """An error that the user can fix: one line that says what, where, which value, and what to do.

    Commands and scripts print the message to stderr without a traceback and leave with exit code 2.
    """


def in_one_line(error: UserError) -> str:
    """The message in one line, without the traceback that a worker of torch's DataLoader puts before it."""
    return " ".join(str(error).rpartition(f"{UserError.__module__}.{UserError.__name__}: ")[2].split())
