"""The one exception this package shows its users."""


class UserError(Exception):
    """Something a user can put right: one line that says what, where, which value, and what to do.

    Commands and scripts print the message to stderr without a traceback and leave with exit code 2.
    """
