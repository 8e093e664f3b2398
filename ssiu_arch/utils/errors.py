"""The one exception this package shows its users."""


class UserError(Exception):
    """Something a user can put right: one line that says what, where, which value, and what to do.

    Commands and scripts print the message to stderr without a traceback and leave with exit code 2.
    """


def in_one_line(error: UserError) -> str:
    """The message. What comes out of a worker of torch's DataLoader has the worker's traceback before it."""
    return " ".join(str(error).rpartition(f"{UserError.__module__}.{UserError.__name__}: ")[2].split())
