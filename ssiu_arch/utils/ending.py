"""How a command or a script ends: its exit code, and one line on stderr about what the user can mend."""

import os
import re
import sys
from collections.abc import Callable, Sequence

from ssiu_arch.utils.errors import UserError, in_one_line


def ended(
    name: str, work: Callable[[], int | None], interrupted: str = "interrupted", given: Sequence[str] = ()
) -> int:
    """Run ``work`` under a name for messages and return its exit code; ``given`` are the arguments it will parse.

    Exit codes: 0 done, 1 done in part, 2 bad input (one line says what), 130 interrupted, 141 stdout was closed.
    """
    _usable_streams()
    try:
        _check_no_empty_text(given)
        code = work() or 0
        sys.stdout.flush()
        return code
    except UserError as error:
        code, said = error.exit_code, in_one_line(error)
    except KeyboardInterrupt:
        code, said = 130, interrupted
    except (MemoryError, ImportError) as error:
        if isinstance(error, ImportError) and "failed to map segment" not in str(error):
            raise
        code, said = 1, "out of memory; is it limited, as by ulimit -v?"
    except OSError as error:
        if error.filename is not None or _takes_a_line():
            raise  # not of stdout; of their files commands raise UserError
        if isinstance(error, BrokenPipeError):
            return 141  # as a shell reports SIGPIPE
        code, said = 1, f"stdout cannot be written ({error.strerror})"
    print(f"{name}: {said}", file=sys.stderr)
    return code


def _check_no_empty_text(arguments: Sequence[str]) -> None:
    """Raise ``UserError`` for an argument that is empty text, which as a path would mean the current folder."""
    for before, given in zip(["", *arguments], arguments, strict=False):
        if not given or re.fullmatch("-[^=]+=", given):
            name = given.rstrip("=") or (before if before.startswith("-") else "an argument")
            raise UserError(f"{name} is empty text, as of an unset variable: give it a value, or leave it out")


def _usable_streams() -> None:
    """Let closed streams (``>&-``) lead nowhere, and streams of any encoding take every name."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (until the process ends)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _takes_a_line() -> bool:
    """Whether stdout can still be written, which an empty line shows; if not, what its buffer holds is dropped."""
    try:
        print(flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would try once more as it ends
        return False
    return True
